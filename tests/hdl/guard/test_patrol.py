"""The patrol: which clusters, when, and what becomes of those that had to be corrected."""

import random
from itertools import pairwise

import pytest
from dojang_hdl.guard.jobs import Purpose
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.guard.patrol import Patrol
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "beyond the end": ("(at >= self.end[_INDEX:])", "(at > self.end[_INDEX:])"),
    "before the start": ("(at < self.start[_INDEX:]) | ", ""),
    "interval too long": ("wait[1:].any()", "wait.any()"),
    "never off": ("with m.If(self.interval == 0):", "with m.If(0):"),
    "next one without an answer": ("& ~reading ", ""),
    "takes back what it asked": ("with m.If(self.interval == 0):",
                                 "with m.If(self.halt):\n            m.d.sync += self.job.valid.eq(0)\n"
                                 "        with m.If(self.interval == 0):"),
    "begins while halted": (" & ~self.halt):", "):"),
    "refresh overwritten": ("with m.If(self.found & ~self.refresh.valid):", "with m.If(self.found):"),
    "refreshed again": ("with m.Elif(self.refresh.ready):", "with m.Elif(0):"),
    "the same one again": ("at.eq(at + 1)", "at.eq(at)"),
}


class Bench:
    """Takes jobs and answers them after ``latency`` cycles. ``jobs``: (cycle, address) since they were looked at."""

    def __init__(self, patrol, latency=5, stall=0.0):
        self.dut, self.latency, self.stall, self.rng = patrol(), latency, stall, random.Random(1)
        self.jobs, self.cycle, self._due = [], 0, None

    async def step(self, ctx, cycles=1):
        dut = self.dut
        for _ in range(cycles):
            ctx.set(dut.job.ready, self.rng.random() >= self.stall)
            ctx.set(dut.read, self._due == self.cycle)
            if self._due == self.cycle:
                self._due = None
            if ctx.get(dut.job.valid) and ctx.get(dut.job.ready):
                job = ctx.get(dut.job.payload)
                assert job.purpose.value == Purpose.PATROL.value and job.length == CLUSTER
                assert self._due is None, "one at a time"
                self.jobs.append((self.cycle, job.addr))
                self._due = self.cycle + self.latency
            await ctx.tick()
            self.cycle += 1

    async def control(self, ctx, interval, start, end):
        """As a register is written: all rests before."""
        dut = self.dut
        ctx.set(dut.halt, 1)
        await self.step(ctx, 20)
        while ctx.get(dut.job.valid):
            await self.step(ctx)
        ctx.set(dut.interval, interval)
        ctx.set(dut.start, start)
        ctx.set(dut.end, end)
        await self.step(ctx)
        ctx.set(dut.halt, 0)
        self.jobs.clear()


def round_and_round(patrol):
    bench = Bench(patrol)

    async def main(ctx):
        await bench.control(ctx, 7, 64, 64 + 3 * CLUSTER)
        await bench.step(ctx, 60)
        cycles, addresses = zip(*bench.jobs, strict=True)
        assert addresses == tuple(64 + index % 3 * CLUSTER for index in range(len(addresses)))
        # The address goes back to the start in a cycle of its own.
        steps = [later - cycle for cycle, later in pairwise(cycles[1:])]
        assert steps[:5] == [7, 8, 7, 7, 8]

    run(bench.dut, main, cycles=200)


def told_something_else(patrol):
    """Nothing outside the new range, nothing at all when it is off, whatever was about to be asked."""
    bench = Bench(patrol, latency=2, stall=0.7)
    rng = random.Random(3)

    async def main(ctx):
        for _ in range(40):
            interval, start, clusters = rng.choice((0, 1, 2, 9)), CLUSTER * rng.randrange(20), rng.randrange(4)
            await bench.control(ctx, interval, start, start + CLUSTER * clusters)
            await bench.step(ctx, rng.randrange(60))
            for _, addr in bench.jobs:
                assert interval and start <= addr < start + CLUSTER * clusters
            bench.jobs.clear()
            offered = ctx.get(bench.dut.job.valid)
            ctx.set(bench.dut.halt, 1)
            while offered and not bench.jobs:
                assert ctx.get(bench.dut.job.valid), "taken back"
                await bench.step(ctx)
            bench.jobs.clear()
            await bench.step(ctx, rng.randrange(20))
            assert not bench.jobs, "it is halted"

    run(bench.dut, main, cycles=5000)


def one_at_a_time(patrol):
    """However short the interval."""
    bench = Bench(patrol, latency=25)

    async def main(ctx):
        await bench.control(ctx, 1, 0, 80)
        await bench.step(ctx, 200)
        assert 6 <= len(bench.jobs) <= 8

    run(bench.dut, main, cycles=300)


def refreshed(patrol):
    """What was corrected is written anew; what is found before that waits for the next round."""
    dut = patrol()

    async def main(ctx):
        for found, ready, offered in (
                (5, 0, None), (None, 0, 5), (6, 0, 5), (None, 1, 5), (None, 0, None), (7, 1, None), (None, 1, 7),
                (None, 0, None)):
            ctx.set(dut.found, found is not None)
            ctx.set(dut.cluster, found or 0)
            ctx.set(dut.refresh.ready, ready)
            assert (ctx.get(dut.refresh.payload) if ctx.get(dut.refresh.valid) else None) == offered
            await ctx.tick()

    run(dut, main, cycles=20)


CHECKS = (round_and_round, told_something_else, one_at_a_time, refreshed)


@pytest.mark.parametrize("check", CHECKS)
def test_patrol(check):
    check(Patrol)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_patrol_is_caught(name):
    broken = mutate("dojang_hdl.guard.patrol", *MUTATIONS[name]).Patrol
    with pytest.raises(AssertionError):
        for check in CHECKS:
            check(broken)
