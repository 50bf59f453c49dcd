"""The vector unit against its golden model, bit for bit, in Amaranth's own simulator and under cocotb."""

from random import Random

import numpy as np
import pytest
from amaranth.sim import Simulator
from dojang_hdl import isa
from dojang_hdl.arith import FloatAdd, FloatMul, RoundTo, Special
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round
from dojang_hdl.vector import VecCommand, VectorUnit
from dojang_sim.benches.vector_commands import CORNERS, RX, VectorMachine, command_bits, random_patterns
from dojang_sim.cocotb_runner import run_bench

WORDS = 128
A, B, D = 0x10, RX | 0x08, 0x50
WATCHDOG = 2000


def bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def machine(seed: int = 1) -> VectorMachine:
    rng = Random(seed)
    return VectorMachine(WORDS, [random_patterns(rng, WORDS * 4) for _ in range(2)])


def run(commands, start: VectorMachine, unit_class=VectorUnit) -> list[int]:
    """Execute ``commands`` on a unit whose SRAM is that of ``start``; assert that SRAM and scalars end as the model's.

    Returns each command's cycles from acceptance to idle. Sets the scalar file through commands of its own.
    """
    dut = unit_class()
    real = VectorMachine(WORDS, start.banks)
    model = VectorMachine(WORDS, start.banks)
    cycles = []

    async def sram(ctx):
        registered = [0, 0]
        sampled = (dut.a.addr, dut.b.addr, dut.write.en, dut.write.addr, dut.write.data, dut.write.mask)
        async for clk, rst, a, b, en, addr, data, mask in ctx.tick().sample(*sampled):
            if rst or not clk:
                return
            ctx.set(dut.a.data, registered[0])
            ctx.set(dut.b.data, registered[1])
            registered = [real.word(a), real.word(b)]
            if en:
                real.write(addr, data, mask)

    async def drive(ctx):
        for command in commands:
            ctx.set(dut.command.payload, VecCommand.from_bits(command_bits(command)))
            ctx.set(dut.command.valid, 1)
            assert ctx.get(dut.command.ready), "not ready although idle"
            await ctx.tick()
            ctx.set(dut.command.valid, 0)
            count = 0
            while ctx.get(dut.busy):
                assert not ctx.get(dut.command.ready)
                count += 1
                assert count < WATCHDOG, "watchdog"
                await ctx.tick()
            cycles.append(count)
            model.execute(command)
            np.testing.assert_array_equal(real.banks, model.banks, err_msg=str(command))
        for index, value in enumerate(model.scalars):
            if value is not None:
                ctx.set(dut.scalar_index, index)
                await ctx.tick()
                assert ctx.get(dut.scalar) == value, f"scalar {index}: {ctx.get(dut.scalar):#x}, expected {value:#x}"

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(sram, background=True)
    simulator.add_testbench(drive)
    simulator.run()
    return cycles


def load_scalar(index: int, pattern: int) -> dict[str, int]:
    """A command that leaves ``pattern`` (a number) in a scalar register."""
    return {"a": A, "n": 1, "mul": Mul.IMM, "imm0": 0, "add": Add.IMM, "imm1": pattern, "reduce": Reduce.MAX,
            "s_out": index}


def test_command_holds_the_instruction_fields():
    for name, width in isa.VEC:
        assert VecCommand[name].width == width, name
    fields = {name: 1 for name, _ in isa.VEC if name != "pad"}
    assert command_bits(fields) >> 64 == isa.pack(isa.VEC, fields)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 31, 32, 33, 100])
@pytest.mark.parametrize("pad32", [0, 1])
def test_lengths(n, pad32):
    run([load_scalar(3, bits(2.5)),
         {"a": A, "b": B, "d": D, "n": n, "mul": Mul.B, "store": 1, "reduce": Reduce.SUM, "s_out": 3, "pad32": pad32}],
        machine(n))


def test_every_operation():
    common = {"a": A, "b": B, "d": D, "n": 9, "store": 1, "s": 1, "s_a": 2, "imm0": bits(-0.37), "imm1": bits(1.75)}
    commands = [load_scalar(1, bits(1.5)), load_scalar(2, bits(-3))]
    commands += [common | {name: code} for name, kind in
                 (("mul", Mul), ("add", Add), ("fn", Fn), ("mul2", Mul2), ("round", Round), ("reduce", Reduce))
                 for code in kind]
    commands += [common | {flag: 1} for flag in ("swap", "a_scalar")]
    commands += [common | {"mul": Mul.B, "add": Add.B, "fn": Fn.EXP2, "mul2": Mul2.B, "round": Round.FP16, "reduce": 1,
                           "swap": 1, "s_out": 15}]
    run(commands, machine())


def test_corner_values_through_every_step():
    n = len(CORNERS)
    start = machine()
    start.banks[0, A * 4:A * 4 + n] = CORNERS
    start.banks[1, (B & ~RX) * 4:(B & ~RX) * 4 + n] = CORNERS[::-1]
    common = {"a": A, "b": B, "d": D, "n": n, "store": 1}
    run([common | step for step in (
        {}, {"mul": Mul.A}, {"mul": Mul.B}, {"add": Add.B}, {"fn": Fn.EXP2}, {"fn": Fn.RECIP}, {"fn": Fn.RSQRT},
        {"mul2": Mul2.B}, {"round": Round.FP16}, {"round": Round.INT8}, {"reduce": Reduce.SUM, "s_out": 1},
        {"reduce": Reduce.MAX, "s_out": 2}, {"reduce": Reduce.MAXABS, "s_out": 3})], start)


@pytest.mark.parametrize("values", [
    (0x80000000, 0x00000000), (0x00000000, 0x80000000), (0x80000001, 0x00000001), (0x7FC00000,),
    (0xFF800000, 0x7FC00000), (0xBF800000, 0xC0000000, 0x80000000), (0xC0000000, 0xBF800000),
    (0x3F800000, 0x40000000, 0x3F800001)])
def test_extrema_of_zeros_nans_and_negatives(values):
    start = machine()
    start.banks[0, A * 4:A * 4 + len(values)] = values
    run([{"a": A, "n": len(values), "reduce": mode, "s_out": mode} for mode in (Reduce.SUM, Reduce.MAX, Reduce.MAXABS)],
        start)


@pytest.mark.parametrize("place", [{"a": D}, {"b": D}, {"a": D, "b": D}, {"a": D, "swap": 1}])
@pytest.mark.parametrize("n", [7, 40])
def test_in_place(place, n):
    run([{"a": A, "b": B, "d": D, "n": n, "mul": Mul.B, "store": 1} | place], machine(n))


def test_zero_length_keeps_everything_and_takes_no_time():
    load = load_scalar(4, bits(7))
    nothing = {"a": A, "d": D, "n": 0, "store": 1, "pad32": 1, "reduce": Reduce.MAX, "s_out": 4}
    assert run([load, nothing, nothing], machine())[1:] == [0, 0]


def test_cycles_are_those_of_the_page():
    latency = {"mul": FloatMul.latency, "add": FloatAdd.latency, "fn": Special.latency, "mul2": FloatMul.latency,
               "round": RoundTo.latency}
    n = 21
    for uses in ((), ("mul",), ("add", "round"), tuple(latency)):
        command = {"a": A, "b": B, "d": D, "n": n, "store": 1} | dict.fromkeys(uses, 1)
        base = n + 9 + sum(latency[use] for use in uses)
        variants = (({}, 0), ({"pad32": 1}, 2), ({"reduce": Reduce.SUM}, 4 * FloatAdd.latency + 11),
                    ({"reduce": Reduce.MAX}, 2))
        assert run([command | extra for extra, _ in variants], machine()) == [base + more for _, more in variants]


def test_random_commands_under_cocotb():
    run_bench(VectorUnit(), "dojang_sim.benches.vector_unit", "vector_unit",
              environment={"VECTOR_SEED": "1", "VECTOR_COMMANDS": "400"})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_random_commands_under_cocotb(seed):
    run_bench(VectorUnit(), "dojang_sim.benches.vector_unit", "vector_unit",
              environment={"VECTOR_SEED": str(seed), "VECTOR_COMMANDS": "4000"})
