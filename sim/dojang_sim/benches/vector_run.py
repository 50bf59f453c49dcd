"""Vector commands one after the other in Amaranth's own simulator, each compared with the model."""

import numpy as np
from amaranth.sim import Simulator
from dojang_hdl.isa import Add, Mul, Reduce
from dojang_hdl.vector import VecCommand

from .vector_commands import VectorMachine, command_bits

__all__ = ["load_scalar", "run_commands"]

WATCHDOG = 2000


def load_scalar(index: int, number: float) -> dict[str, int]:
    """A command that leaves ``number`` in a scalar register (element 0 of SRAM must be finite)."""
    pattern = int(np.float32(number).view(np.uint32))
    return {"n": 1, "mul": Mul.IMM, "imm0": 0, "add": Add.IMM, "imm1": pattern, "reduce": Reduce.MAX, "s_out": index}


def run_commands(dut, commands: list[dict[str, int]], start: VectorMachine) -> list[int]:
    """Execute ``commands`` on ``dut``, its SRAM as in ``start``.

    Raises AssertionError if SRAM or `saturated` after any command, or a scalar register at the end, is not as the model
    has it, or on a hang. Returns each command's busy cycles.
    """
    real, model = (VectorMachine(start.words, start.banks) for _ in range(2))
    cycles = []
    saturated = False

    async def sram(ctx):
        nonlocal saturated
        registered = [0, 0]
        write = dut.write
        sampled = (dut.a.addr, dut.b.addr, write.en, write.addr, write.data, write.mask, dut.saturated)
        async for _, _, a, b, en, addr, data, mask, pulse in ctx.tick().sample(*sampled):
            ctx.set(dut.a.data, registered[0])
            ctx.set(dut.b.data, registered[1])
            registered = [real.word(a), real.word(b)]
            if en:
                real.write(addr, data, mask)
            saturated |= bool(pulse)

    def check_scalar(ctx, index):
        seen, expected = ctx.get(dut.scalar), model.scalars[index]
        assert expected in (None, seen), f"scalar {index} is {seen:#x}, expected {expected:#x}"

    async def drive(ctx):
        nonlocal saturated
        for command in commands:
            ctx.set(dut.command.payload, VecCommand.from_bits(command_bits(command)))
            ctx.set(dut.command.valid, 1)
            ctx.set(dut.scalar_index, command.get("s_out", 0))
            assert ctx.get(dut.command.ready), "not ready although idle"
            await ctx.tick()
            ctx.set(dut.command.valid, 0)
            count = 0
            while ctx.get(dut.busy):
                assert not ctx.get(dut.command.ready), "ready although busy"
                count += 1
                assert count < WATCHDOG, "watchdog"
                await ctx.tick()
            cycles.append(count)
            model.execute(command)
            np.testing.assert_array_equal(real.banks, model.banks, err_msg=str(command))
            assert saturated == model.saturated, f"saturated is {saturated} after {command}"
            saturated = False
            check_scalar(ctx, command.get("s_out", 0))
        for index in range(len(model.scalars)):
            ctx.set(dut.scalar_index, index)
            await ctx.tick()
            check_scalar(ctx, index)

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(sram, background=True)
    simulator.add_testbench(drive)
    simulator.run()
    return cycles
