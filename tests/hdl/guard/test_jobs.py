"""The ring of jobs against two cursors into a list."""

import random

import pytest
from dojang_hdl.guard.jobs import JobRing
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

DEPTH = 8

MUTATIONS = {
    "oldest not replaced": ("write.en.eq(put | self.restart)", "write.en.eq(put)"),
    "oldest put last": ("Mux(self.restart, head[index], tail[index])", "tail[index]"),
    "walked not again": ("[issued.eq(head), walked.eq(head)]", "issued.eq(head)"),
    "issued not again": ("[issued.eq(head), walked.eq(head)]", "walked.eq(head)"),
    "too full": ("count < self._depth - 1", "count < self._depth"),
    "one too few": ("count < self._depth - 1", "count < self._depth - 2"),
    "lost in a restart": ("room & ~self.hold", "room"),
    "one source only": ("offered, new = take_first(m, self.i,", "offered, new = take_first(m, self.i[:1],"),
    "never empty again": ("head.eq(head + self.retire)", "head.eq(head)"),
}


class Bench:
    """Jobs are named by their addresses; ``live`` are those that have not been retired, the oldest first."""

    def __init__(self, ring, restarts, seed=1):
        self.dut, self.rng, self.restarts = ring(2, DEPTH), random.Random(seed), restarts
        self.laps = self.fullest = 0

    async def bench(self, ctx, jobs=200):
        dut, rng = self.dut, self.rng
        live, issued, walked = [], 0, 0         # cursors into ``live``
        name, room, offers = 0, False, [0, 0]   # of each source; 0: none
        while name < jobs or any(offers) or live:
            assert ctx.get(dut.empty) == (not live)
            self.fullest = max(self.fullest, len(live))
            phase = name // 30 % 3              # fills up, runs empty, in between
            chances = ((0.9, 0.2), (0.2, 0.9), (0.5, 0.5))[phase]
            restart = bool(live) and min(issued, walked) > 0 and rng.random() < self.restarts
            retire = not restart and min(issued, walked) > 0 and rng.random() < chances[1]
            ready = [rng.random() < 0.6 for _ in range(2)]
            for stream, cursor, go in ((dut.issue, issued, ready[0]), (dut.walk, walked, ready[1])):
                assert ctx.get(stream.valid) == (cursor < len(live))
                if cursor < len(live):
                    assert ctx.get(stream.payload).addr == live[cursor]
                ctx.set(stream.ready, go)
            for source, job in zip((0, 1), dut.i, strict=True):
                if not offers[source] and name < jobs and rng.random() < chances[0]:
                    offers[source] = name = name + 1
                ctx.set(job.valid, offers[source] > 0)
                ctx.set(job.payload, {"addr": offers[source], "length": 5})
            replaced = rng.getrandbits(31) | 1 << 31
            ctx.set(dut.restart, restart)
            ctx.set(dut.retire, retire)
            ctx.set(dut.oldest, {"addr": replaced})
            hold = restart or rng.random() < 0.1
            ctx.set(dut.hold, hold)
            first = 0 if offers[0] else 1
            taken = room and not hold and offers[first] > 0
            for source, job in enumerate(dut.i):
                assert (ctx.get(job.ready) and offers[source] > 0) == (taken and source == first)
            room = len(live) < DEPTH - 1
            await ctx.tick()
            if restart:
                live[0], issued, walked = replaced, 0, 0
            else:
                issued += ready[0] and issued < len(live)
                walked += ready[1] and walked < len(live)
            if taken:
                live.append(offers[first])
                offers[first] = 0
            if retire:
                live.pop(0)
                issued, walked = issued - 1, walked - 1


def check(ring, restarts=0.05):
    bench = Bench(ring, restarts)
    run(bench.dut, bench.bench, cycles=4000)
    return bench


@pytest.mark.parametrize("restarts", [0, 0.05, 0.3])
def test_jobs_in_order_and_again(restarts):
    assert check(JobRing, restarts).fullest == DEPTH


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_ring_is_caught(name):
    broken = mutate("dojang_hdl.guard.jobs", *MUTATIONS[name]).JobRing
    with pytest.raises(AssertionError):
        check(broken)
