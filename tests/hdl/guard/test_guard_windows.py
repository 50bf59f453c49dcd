"""Registers, windows and reset of the whole guard."""

import pytest
from dojang_hdl.guard.guard import Guard
from dojang_hdl.guard.layout import (
    CLUSTER,
    CONTROL,
    INJECT,
    PHYSICAL_WINDOW,
    REGISTER_WINDOW,
    Register,
)
from dojang_hdl.isa import pack
from dojang_hdl.memory_control import CONTROL_WINDOW

from .bench import FULL, Bench, broken

pytestmark = pytest.mark.usefixtures("few_places")


def reset_in_traffic(guard=Guard):
    """Nothing of what was before is remembered."""
    bench = Bench(guard=guard)

    async def scenario(ctx):
        for cycles in (90, 300, 0):
            bench.traffic(15)
            if cycles:
                end = iter(range(cycles))
                await bench.drain(ctx, until=lambda end=end: next(end, None) is None)
                ctx.set(bench.reset, 1)
                await ctx.tick()
                ctx.set(bench.reset, 0)
                for agent in (bench.chip, bench.memory):
                    agent.reset()
                bench.memory.words = bench.stored()
                bench.control()
        await bench.drain(ctx)
        bench.check()
        assert not ctx.get(bench.dut.status.error)

    bench.run(scenario)


def registers_unread(guard=Guard):
    """More of them than the guard has room for wait until the chip takes words."""
    bench = Bench(guard=guard)

    async def scenario(ctx):
        bench.chip.read(2, 2 * bench.tile - 2)      # all of which the guard has room for
        bench.chip.hold = True
        for value in range(2 * bench.tile):
            bench.chip.register(Register.INJECT_MASK, value)
            bench.chip.read(REGISTER_WINDOW | Register.INJECT_MASK, 1 + value % 2)
        end = iter(range(400))
        await bench.drain(ctx, until=lambda: next(end, None) is None)
        bench.chip.hold = False
        await bench.drain(ctx, 1000)
        # The word behind is CONTROL, as addresses wrap.
        control = pack(CONTROL, {"tiles_end": bench.protection.tiles_end, "end": bench.protection.end})
        assert not bench.chip.wrong and bench.chip.values == [
            word for value in range(2 * bench.tile) for word in (value, *[control] * (value % 2))]

    bench.run(scenario)


def windows(guard=Guard):
    """Words as they are, their writes, and injection; each sees what was before it."""
    bench = Bench(guard=guard)
    chip, first = bench.chip, bench.protection.tiles_end

    async def scenario(ctx):
        chip.write(first + 1, [(5, FULL)])
        chip.read(PHYSICAL_WINDOW | bench.physical(first), 2)
        # A right cluster in another one's place: its address is wrong.
        header = bench.physical(first + CLUSTER) - 1
        chip.write(PHYSICAL_WINDOW | header, [(word, FULL) for word in bench.memory.words[header + 9:header + 18]])
        chip.read(first + CLUSTER)
        await bench.drain(ctx)
        assert chip.values == [chip.shadow[first], 5]
        assert chip.wrong == [(first + CLUSTER, chip.shadow[first + 2 * CLUSTER])]
        fault, _ = await bench.registers(ctx)
        assert fault == ("cluster", first + CLUSTER)
        chip.register(Register.FAULT, 0)
        # The fourth word that is read, which is the third one of a cluster
        chip.register(Register.INJECT_MASK, 1 << 77)
        chip.register(Register.INJECT, pack(INJECT, {"skip": 3, "count": 1}))
        chip.read(first + 3 * CLUSTER)
        # Two wrong bits in each of the words of the next write: seen when it is verified
        await bench.drain(ctx)
        chip.register(Register.INJECT_MASK, 3)
        chip.register(Register.INJECT, pack(INJECT, {"skip": 1, "count": 8, "write": 1}))
        chip.write(first + 4 * CLUSTER, [(6, FULL)] * CLUSTER)
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", first + 4 * CLUSTER)
        assert counters["corrected"] == 1 and len(chip.wrong) == 1

    bench.run(scenario)


def control_window(guard=Guard):
    """Commands to it reach the memory as they are, in order with all others; without it, the registers."""
    for exists in (False, True):
        bench = Bench(guard=guard, control_window=exists)
        chip, first, words = bench.chip, bench.protection.tiles_end, [(2, FULL), (3, 0x00F1)]

        async def scenario(ctx, exists=exists, bench=bench, chip=chip, first=first, words=words):
            chip.register(Register.INJECT_MASK, 7)
            chip.write(first + 1, [(5, FULL)])
            chip.write(CONTROL_WINDOW | Register.INJECT_MASK, words if exists else words[:1])
            chip.read(CONTROL_WINDOW | Register.INJECT_MASK, 1 + exists)
            chip.read(first + 1)
            chip.read(REGISTER_WINDOW | Register.INJECT_MASK)
            await bench.drain(ctx)
            assert not chip.wrong
            control = CONTROL_WINDOW | Register.INJECT_MASK
            assert chip.values == ([bench.memory.control(control), bench.memory.control(control + 1), 7] if exists
                                   else [2, 2])
            assert bench.memory.controlled == ([(control, *words[0]), (control + 1, *words[1])] if exists else [])
            assert (await bench.registers(ctx))[0] is None

        bench.run(scenario)


CHECKS = (reset_in_traffic, registers_unread, windows, control_window)

MUTATIONS = {
    "registers without room": (("guard",), "& reader.room", "", registers_unread),
}


@pytest.mark.parametrize("check", CHECKS)
def test_guard(check):
    check()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_guard_is_caught(name):
    *mutation, check = MUTATIONS[name]
    with pytest.raises(AssertionError):
        check(broken(*mutation))
