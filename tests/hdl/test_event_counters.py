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
    "never cleared": ("with m.If(self.clear):", "with m.If(0):"),
    "clears what is recent only": ("stale.eq(Mux(self.clear, ~0, stale & ~(1 << turn)))", "stale.eq(0)"),
    "counts while it is cleared": ("m.d.sync += short.eq(0)", "m.d.sync += short.eq(event)"),
    "always the first": ("look.addr.eq(self.address)", "look.addr.eq(0)"),
    "something beyond": ("Mux(self.address < count, look.data, 0)", "look.data"),
    "all together": ("self.enable & self.events[name]", "self.enable & self.events.as_value().any()"),
    "forgets what happens when its turn comes": ("Mux(turn == number, 0, short) + event",
                                                 "Mux(turn == number, 0, short + event)"),
    "adds twice": ("Mux(turn == number, 0, short) + event", "short + event"),
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
        for cycle in range(600):
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

    run(dut, bench, cycles=8000)


@pytest.mark.parametrize("reset_after", (1, 2, 3, 4))
def test_a_reset_clears_all(reset_after):
    """Whatever is on its way to the memory."""
    reset, dut = Signal(), EventCounters(NAMES)

    async def bench(ctx):
        ctx.set(dut.enable, 1)
        ctx.set(dut.events, dict.fromkeys(NAMES, 1))
        await ctx.tick().repeat(10 + reset_after)
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


def test_more_counters_than_registers_are_refused():
    with pytest.raises(ValueError, match="33 counters, expected 32 at most"):
        EventCounters([f"c{number}" for number in range(MEMORY_REGISTERS + 1)])


def test_every_event_is_counted():
    check(EventCounters)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_counter_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.event_counters", *MUTATIONS[name]).EventCounters)
