"""Counters against a list of the events that happened."""

import random
from collections import Counter

import pytest
from dojang_hdl.counters import MEMORY_REGISTERS
from dojang_hdl.event_counters import EventCounters
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

NAMES = ("corrected", "merged", "verified")

MUTATIONS = {
    "counts while it is off": ("self.enable & self.events[name]", "self.events[name]"),
    "never cleared": ("with m.If(self.clear):", "with m.If(0):"),
    "counts while it is cleared": ("with m.Elif(self.enable", "with m.If(self.enable"),
    "always the first": ("values[self.address]", "values[0]"),
    "all together": ("self.enable & self.events[name]", "self.enable & self.events.as_value().any()"),
}


def check(counters):
    dut, rng = counters(NAMES), random.Random(4)
    expected = Counter()

    async def bench(ctx):
        for _ in range(300):
            events = {name: rng.randrange(2) for name in NAMES}
            enable, clear, address = rng.random() < 0.7, rng.random() < 0.03, rng.randrange(MEMORY_REGISTERS)
            ctx.set(dut.events, events)
            ctx.set(dut.enable, enable)
            ctx.set(dut.clear, clear)
            ctx.set(dut.address, address)
            shown = expected[NAMES[address]] if address < len(NAMES) else 0
            await ctx.tick()
            if clear:
                expected.clear()
            elif enable:
                expected.update(events)
            assert ctx.get(dut.data) == shown
            found = ctx.get(dut.counters)
            assert {name: getattr(found, name) for name in NAMES} == {name: expected[name] for name in NAMES}

    run(dut, bench, cycles=400)


def test_every_event_is_counted():
    check(EventCounters)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_counter_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.event_counters", *MUTATIONS[name]).EventCounters)
