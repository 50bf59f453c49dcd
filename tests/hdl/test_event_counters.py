"""Counters against a list of the events that happened."""

import random
from collections import Counter

import pytest
from amaranth.hdl import ResetInserter, Signal
from dojang_hdl.counters import MEMORY_REGISTERS
from dojang_hdl.event_counters import EventCounters
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

NAMES = ("corrected", "merged", "verified")

MUTATIONS = {
    "counts while it is off": ("self.enable & self.events[name]", "self.events[name]"),
    "clears what it has summed only": ("with m.If(self.clear | mine):", "with m.If(mine):"),
    "clears what is recent only": ("stale.eq(Mux(self.clear, places, ", "stale.eq(Mux(0, 0, "),
    "always the first": ("look.addr.eq(self.address)", "look.addr.eq(0)"),
    "something beyond": ("Mux(self.address < places, look.data, 0)", "look.data"),
    "all together": ("self.enable & self.events[name]", "self.enable & self.events.as_value().any()"),
    "forgets what happens when its turn comes": ("last.eq((counted & turns).any())", "last.eq(0)"),
    "adds twice": ("with m.If(self.clear | mine):", "with m.If(self.clear):"),
    "counts to two": ("short[:place].all()", "short[:place].any()"),
    "cleared for too short": ("init=places)                  #", "init=places - 2)              #"),
}


def check(counters):
    dut, rng = counters(NAMES), random.Random(4)
    expected = Counter()

    async def read_all(ctx):
        """As soon as all that happened must be seen, which no event hides."""
        ctx.set(dut.events, dict.fromkeys(NAMES, 0))
        ctx.set(dut.clear, 0)
        await ctx.tick().repeat(dut.latency - 1)
        for address in range(MEMORY_REGISTERS):
            ctx.set(dut.address, address)
            await ctx.tick()
            assert ctx.get(dut.data) == (expected[NAMES[address]] if address < len(NAMES) else 0)

    async def bench(ctx):
        for cycle in range(900):
            events = {name: rng.random() < (cycle % 97) / 97 for name in NAMES}
            enable, clear = rng.random() < 0.7, rng.random() < 0.03
            ctx.set(dut.events, events)
            ctx.set(dut.enable, enable)
            ctx.set(dut.clear, clear)
            await ctx.tick()
            if clear:
                expected.clear()
            elif enable:
                expected.update(events)
            if clear or rng.random() < 0.1:
                await read_all(ctx)

    run(dut, bench, cycles=16000)


RESETS = range(10, 20)
"""Cycles until one."""


def reset_clears_all(counters, cycles):
    """Whatever is on its way to the memory."""
    reset, dut = Signal(), counters(NAMES)

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        ctx.set(dut.events, dict.fromkeys(NAMES, 1))
        await ctx.tick().repeat(cycles)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        ctx.set(dut.events, dict.fromkeys(NAMES, 0))
        await ctx.tick().repeat(dut.latency)
        for address in range(len(NAMES)):
            ctx.set(dut.address, address)
            await ctx.tick()
            assert ctx.get(dut.data) == 0

    run(ResetInserter(reset)(dut), bench, cycles=100)


@pytest.mark.parametrize("cycles", RESETS)
def test_a_reset_clears_all(cycles):
    reset_clears_all(EventCounters, cycles)


def test_counters_wrap():
    """As those of 32 bits, those of 4."""
    dut = mutate("dojang_hdl.event_counters", "_BITS = 32", "_BITS = 4").EventCounters(NAMES)

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        ctx.set(dut.events, {NAMES[0]: 1})
        await ctx.tick().repeat(21)
        ctx.set(dut.events, {NAMES[0]: 0})
        await ctx.tick().repeat(dut.latency)
        assert ctx.get(dut.data) == 21 - 16

    run(dut, bench, cycles=100)


@pytest.mark.parametrize("count", (1, MEMORY_REGISTERS + 1))
def test_too_few_or_too_many_are_refused(count):
    with pytest.raises(ValueError, match=f"{count} counters, expected 2 to 32"):
        EventCounters([f"c{number}" for number in range(count)])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_counter_is_caught(name):
    broken = mutate("dojang_hdl.event_counters", *MUTATIONS[name]).EventCounters
    with pytest.raises(AssertionError):
        check(broken)
        for cycles in RESETS:
            reset_clears_all(broken, cycles)
