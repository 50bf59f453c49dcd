"""A read behind a write is told of while it is there, and no longer."""

import random

import pytest
from dojang_hdl.lpddr4.waiting_reads import WaitingReads
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

DEPTH = 5

MUTATIONS = {
    "offers do not count": ("(reads != 0) | self.offered[bank]", "reads != 0"),
    "queued reads do not count": ("(reads != 0) | self.offered[bank]", "self.offered[bank]"),
    "for ever": ("- self.done[bank]", ""),
    "of another bank": ("(behind & self.writes).any()", "behind.any() & self.writes.any()"),
    "without a write": ("(behind & self.writes).any()", "behind.any()"),
}


def check(component, banks=2, cycles=400):
    dut, rng = component(banks, DEPTH), random.Random(3)

    async def bench(ctx):
        queued = [0] * banks
        for _ in range(cycles):
            expected = False
            members = dict.fromkeys(("offered", "taken", "done", "writes"), 0)
            for bank in range(banks):
                offered = rng.random() < 0.3
                taken = offered and queued[bank] < DEPTH and rng.random() < 0.7
                done = queued[bank] > 0 and rng.random() < 0.3
                writes = rng.random() < 0.3
                expected |= writes and (queued[bank] > 0 or offered)
                queued[bank] += taken - done
                for name, bit in (("offered", offered), ("taken", taken), ("done", done), ("writes", writes)):
                    members[name] |= bit << bank
            for name, bits in members.items():
                ctx.set(getattr(dut, name), bits)
            await ctx.tick()
            assert ctx.get(dut.waiting) == expected

    run(dut, bench, cycles=cycles + 2)


def test_waiting():
    check(WaitingReads)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_one_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.waiting_reads", *MUTATIONS[name]).WaitingReads
    with pytest.raises(AssertionError):
        check(broken)
