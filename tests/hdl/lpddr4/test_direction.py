"""When the bus turns, case by case; each case says what is offered and when the direction must change."""

from itertools import repeat

import pytest
from dojang_hdl.lpddr4.direction import MOST_BURSTS, PATIENCE_CYCLES, QUIET_CYCLES, Direction
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "pressure ignored": ("(pressed | stale", "(stale"),
    "turns without a write": ("with m.If(self.writes & (pressed", "with m.If((pressed"),
    "patience without end": (" | (waited == PATIENCE_CYCLES)", ""),
    "impatient": ("waited == PATIENCE_CYCLES", "waited == PATIENCE_CYCLES // 2"),
    "writes without end": ("(stale | (sent == MOST_BURSTS))", "stale"),
    "turned back at once": ("self.pressure & (sent == MOST_BURSTS)", "self.pressure"),
    "back without a read": ("self.reads & (stale | (sent", "(stale | (sent"),
    "a gap turns the bus": ("QUIET_CYCLES = 8", "QUIET_CYCLES = 1"),
    "gaps add up": ("with m.If(self.reads):", "with m.If(self.reads & stale):"),
    "counts on from the last turn": ("self.following.eq(1)\n                m.d.sync += [quiet.eq(0), sent.eq(0)]",
                                       "self.following.eq(1)\n                m.d.sync += quiet.eq(0)"),
}


def offer(cycles, **inputs):
    """``cycles`` times the same inputs."""
    return list(repeat(inputs, cycles))


READ, WRITE, BOTH = {"reads": 1}, {"writes": 1}, {"reads": 1, "writes": 1}
PRESSED = {**BOTH, "pressure": 1}
TO_WRITES = offer(1, **PRESSED)

# name: inputs, and in which cycles the direction seen is write; turns take effect in the cycle after.
CASES = {
    "reads first": (offer(50, **READ), []),
    "reads keep the bus": (offer(50, **BOTH), []),
    "pressure": (offer(5, **BOTH) + TO_WRITES + offer(3, **BOTH), range(6, 9)),
    "pressure and no write ready": (offer(30, reads=1, pressure=1), []),
    "nothing to do": (offer(30), []),
    "no read for a while": (offer(2, **READ) + offer(QUIET_CYCLES + 4, **WRITE), range(2 + QUIET_CYCLES + 1, 14)),
    "a short gap": (3 * (offer(1, **BOTH) + offer(QUIET_CYCLES - 1, **WRITE)), []),
    "a write waits for long": (offer(PATIENCE_CYCLES + 3, **BOTH), range(PATIENCE_CYCLES + 1, PATIENCE_CYCLES + 3)),
    "many writes": (TO_WRITES + offer(MOST_BURSTS + 3, **BOTH, taken=1), range(1, MOST_BURSTS + 2)),
    "lasting pressure": (TO_WRITES + offer(3 * MOST_BURSTS, **PRESSED, taken=1),
                         [*range(1, MOST_BURSTS + 2), *range(2 * MOST_BURSTS + 3, 3 * MOST_BURSTS + 1)]),
    "many writes, no read": (TO_WRITES + offer(MOST_BURSTS + 20, **WRITE, taken=1), range(1, MOST_BURSTS + 21)),
    "no write for a while": (TO_WRITES + offer(QUIET_CYCLES + 4, **READ), range(1, QUIET_CYCLES + 2)),
    "a short gap of writes": (TO_WRITES + 3 * (offer(QUIET_CYCLES - 1, **READ) + offer(1, **BOTH)),
                              range(1, 1 + 3 * QUIET_CYCLES)),
    "no write, no read": (TO_WRITES + offer(30), range(1, 31)),
    "second turn as long as the first": (
        2 * (TO_WRITES + offer(MOST_BURSTS, **BOTH, taken=1) + offer(MOST_BURSTS + 1, **READ, taken=1)),
        [*range(1, MOST_BURSTS + 2), *range(2 * MOST_BURSTS + 3, 3 * MOST_BURSTS + 4)]),
}


def check(direction, name):
    inputs, expected = CASES[name]
    dut, written = direction(), []

    async def bench(ctx):
        for cycle, given in enumerate(inputs):
            for member in ("reads", "writes", "pressure", "taken"):
                ctx.set(getattr(dut, member), given.get(member, 0))
            if ctx.get(dut.write):
                written.append(cycle)
            await ctx.tick()

    run(dut, bench, cycles=len(inputs) + 2)
    assert written == list(expected)


@pytest.mark.parametrize("name", CASES)
def test_turns(name):
    check(Direction, name)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_direction_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.direction", *MUTATIONS[name]).Direction
    with pytest.raises(AssertionError):
        for case in CASES:
            check(broken, case)
