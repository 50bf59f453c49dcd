"""What is read back against a list of what was written."""

import random

import pytest
from amaranth.hdl import ResetInserter, Signal
from dojang_hdl.guard.jobs import Purpose
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.guard.verifier import LOOKS, ON_THEIR_WAY, Verifier
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

PLACES, WRITES = 8, 45
CRC = 5

MUTATIONS = {
    "a place lost to another cluster": ("with m.Elif(entry.used):", "with m.Elif(entry.used & ~mine):"),
    "written again unseen": ("with m.Elif(entry.used):",
                             "with m.Elif(entry.used & (~mine | (entry.tag != claimed.cluster[bits:]))):"),
    "written again at once": ("with m.If(mine & (entry.tag != claimed.cluster[bits:])):", "with m.If(mine):"),
    "written while it is read back": ("with m.If(~clash):", "with m.If(1):"),
    "read back for ever": ("m.d.comb += put.en.eq(1)    # the place is free", "pass"),
    "too many on their way": ("count != ON_THEIR_WAY", "1"),
    "not counted": ("used.eq(used + 1)", "used.eq(used)"),
    "read back before it is written": ("with m.If(claims == 0):", "with m.If(1):"),
    "read back when one of two is written": ("with m.If(claims == 0):", "with m.If(claims[1] == 0):"),
    "never written": ("- self.written", ""),
    "nothing pending on its way": ("(used != 0) | asking.any()", "(used != 0)"),
    "read back at any time": ("self.idle & (used != 0)", "(used != 0)"),
    "old contents after a reset": ("with m.If(at == self._places - 1):", "with m.If(1):"),
    "another CRC": ("put_entry.crc.eq(claimed.crc)", "put_entry.crc.eq(claimed.crc + 1)"),
    "the CRC of the first one for ever": ("get_crc.addr.eq(get_crc.addr + self.verified)", "get_crc.addr.eq(0)"),
    "the CRC of what was written last": ("put_crc.data.eq(entry.crc)", "put_crc.data.eq(claimed.crc)"),
    "another cluster seen": ("(entry.tag == seen.cluster[bits:]) & ", ""),
    "other contents seen": (" & (entry.crc == seen.crc)", ""),
    "seen, but read back": ("with m.If(looking):", "with m.If(0):"),
    "seen, but still counted": ("m.d.comb += put.en.eq(1)\n                        m.d.sync += used.eq(used - 1)",
                                "m.d.comb += put.en.eq(1)"),
    "one look at a time": ("reads.w_en.eq(self.seen_en)", "reads.w_en.eq(self.seen_en & ~reads.r_rdy)"),
    "the wrong one done": ("asked[i].eq(asked[i + 1])", "asked[i].eq(asked[i])"),
}


class Bench:
    """Clusters are written in random order; ``waiting``: CRC of those that must be read back, ``asked`` what is.

    ``seen``: CRC of those that the chip has read, which need not be read back.
    """

    def __init__(self, verifier, writes, *, clusters=20, busy=0.6, latency=30, seed=1, rewrites=0.0,
                 looks=()):
        self.dut, self.rng, self.writes = verifier(PLACES), random.Random(seed), writes
        self.clusters, self.busy, self.latency, self.rewrites = clusters, busy, latency, rewrites
        self.waiting, self.seen, self.asked, self.verified, self.looks = {}, {}, [], 0, looks
        self.most = 0
        self.finished = False

    async def writer(self, ctx):
        dut, rng = self.dut, self.rng
        cluster = 0
        for _ in range(self.writes):
            cluster = cluster if rng.random() < self.rewrites else rng.randrange(self.clusters)
            crc = rng.getrandbits(32)
            for _ in range(rng.choice((0, 10, 60))):
                await ctx.tick()
            ctx.set(dut.claim.payload, {"cluster": cluster, "crc": crc})
            ctx.set(dut.claim.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.claim.ready)
            ctx.set(dut.claim.valid, 0)
            assert cluster not in self.waiting, "it has not been read back"
            self.seen.pop(cluster, None)
            assert cluster not in [one for _, one, _ in self.asked], "it is being read back"
            for _ in range(rng.randrange(12)):
                await ctx.tick()
            ctx.set(dut.written, 1)
            self.waiting[cluster] = crc
            await ctx.tick()
            ctx.set(dut.written, 0)
            assert ctx.get(dut.pending)
        self.finished = True

    async def chip(self, ctx):
        """Reads clusters: as they were written, as they were before, and others that have the same place."""
        dut, rng = self.dut, self.rng
        while self.looks and not self.finished:
            for _ in range(rng.randrange(40)):
                await ctx.tick()
            look = rng.choice(self.looks)
            if not self.waiting:
                continue
            cluster, crc = rng.choice(list(self.waiting.items()))
            if look == "right":
                self.seen[cluster] = self.waiting.pop(cluster)
            ctx.set(dut.seen, cluster + PLACES * (look == "another"))
            ctx.set(dut.seen_crc, crc ^ (look == "before"))
            ctx.set(dut.seen_en, 1)
            await ctx.tick()
            ctx.set(dut.seen_en, 0)

    async def reader(self, ctx):
        """Reads back in order, each some time after it was asked for; idle now and then."""
        dut, rng = self.dut, self.rng
        cycle, late = 0, 0      # asked for since there was time, or a claim
        while not self.finished or self.waiting or self.asked or ctx.get(dut.pending):
            done = bool(self.asked) and self.asked[0][0] <= cycle
            ctx.set(dut.verified, done)
            if cycle % 40 == 0:
                ctx.set(dut.idle, rng.random() >= self.busy)
            ctx.set(dut.job.ready, rng.random() < 0.5)
            _, _, job, *sent, pending, idle, claim, crc = await ctx.tick().sample(
                dut.job.payload, dut.job.valid, dut.job.ready, dut.pending, dut.idle, dut.claim.valid, dut.crc)
            cycle += 1
            if done:
                assert self.asked.pop(0)[2] == crc
                self.verified += 1
            if self.asked:
                assert pending
            late = 0 if idle or claim else late + all(sent)
            assert late <= 1, "not the time to read back, but for one that was on its way"
            if all(sent):
                cluster = job.addr // CLUSTER
                assert job.purpose.value == Purpose.VERIFY.value and job.length == CLUSTER
                due = max(cycle + 2 + rng.randrange(self.latency), self.asked[-1][0] + 3 if self.asked else 0)
                waiting = self.waiting if cluster in self.waiting else self.seen
                self.asked.append((due, cluster, waiting.pop(cluster)))
                self.most = max(self.most, len(self.asked))
                assert self.most <= ON_THEIR_WAY
        ctx.set(dut.verified, 0)
        for _ in range(4 * PLACES + 20):
            await ctx.tick()
            assert not ctx.get(dut.job.valid), "read back twice"
        assert not ctx.get(dut.pending)


def check(verifier, writes=WRITES, **options):
    bench = Bench(verifier, writes, **options)
    run(bench.dut, bench.writer, bench.reader, bench.chip, cycles=200 * writes)
    return bench


def many_clusters(verifier):
    """More than there are places: they make way for each other."""
    assert check(verifier).verified == WRITES


def few_clusters(verifier):
    """All have places; most are written again before they would be read back."""
    assert check(verifier, clusters=PLACES, busy=0.9, rewrites=0.5).verified == WRITES


def slow_reads(verifier):
    assert check(verifier, writes=40, clusters=PLACES, busy=0.8, latency=300).most == ON_THEIR_WAY


def read_by_the_chip(verifier):
    """Most of what it has read as it was written is not read back."""
    assert check(verifier, clusters=PLACES, busy=0.9, looks=["right"]).verified < WRITES / 2


def read_otherwise_by_the_chip(verifier):
    assert check(verifier, clusters=PLACES, busy=0.8, looks=["before", "another"]).verified == WRITES


async def claim(ctx, dut, cluster):
    ctx.set(dut.claim.payload, {"cluster": cluster, "crc": CRC})
    ctx.set(dut.claim.valid, 1)
    ready = 0
    while not ready:
        _, _, ready = await ctx.tick().sample(dut.claim.ready)
    ctx.set(dut.claim.valid, 0)


async def written(ctx, dut):
    ctx.set(dut.written, 1)
    await ctx.tick()
    ctx.set(dut.written, 0)


def read_while_another_is_written(verifier):
    """All of as many as can wait are noticed."""
    places = 2 * LOOKS
    dut = verifier(places)

    async def bench(ctx):
        for cluster in range(LOOKS):
            await claim(ctx, dut, cluster)
            await written(ctx, dut)
        await claim(ctx, dut, LOOKS)
        ctx.set(dut.seen_en, 1)
        for cluster in range(LOOKS):
            ctx.set(dut.seen, cluster)
            ctx.set(dut.seen_crc, CRC)
            await ctx.tick()
        ctx.set(dut.seen_en, 0)
        await written(ctx, dut)
        ctx.set(dut.idle, 1)
        ctx.set(dut.job.ready, 1)
        asked = []
        for _ in range(20 * places):
            _, _, valid, job = await ctx.tick().sample(dut.job.valid, dut.job.payload)
            asked += [job.addr // CLUSTER] * valid
        assert asked == [LOOKS]

    run(dut, bench, cycles=2000)


def claimed_before_another_is_written(verifier):
    """Two claims may wait to be written; neither is read back before both are, nor passed by a claim of its place."""
    dut = verifier(PLACES)

    async def bench(ctx):
        ctx.set(dut.idle, 1)
        ctx.set(dut.job.ready, 1)
        for cluster in (1, 2):
            await claim(ctx, dut, cluster)
        ctx.set(dut.claim.payload, {"cluster": 1 + PLACES, "crc": CRC})
        ctx.set(dut.claim.valid, 1)
        for _ in range(2):
            for _ in range(10 * PLACES):
                _, _, asked, ready, pending = await ctx.tick().sample(dut.job.valid, dut.claim.ready, dut.pending)
                assert not asked and not ready and pending
            await written(ctx, dut)
        asked = []
        while len(asked) < 2:
            _, _, valid, job, ready = await ctx.tick().sample(dut.job.valid, dut.job.payload, dut.claim.ready)
            asked += [job.addr // CLUSTER] * valid
            if ready:
                ctx.set(dut.claim.valid, 0)
                await written(ctx, dut)
        assert asked[0] == 1 and set(asked[1:]) <= {2, 1 + PLACES}

    run(dut, bench, cycles=60 * PLACES)


CHECKS = (many_clusters, few_clusters, slow_reads, read_by_the_chip, read_otherwise_by_the_chip,
          read_while_another_is_written, claimed_before_another_is_written)


@pytest.mark.parametrize("check", CHECKS)
def test_verifier(check):
    check(Verifier)


def cleared_after_a_reset(verifier):
    """Nothing of what was in the table is read back; nothing is taken before it is clear."""
    dut, reset = verifier(PLACES), Signal()

    async def bench(ctx):
        for cluster in range(PLACES):
            await claim(ctx, dut, cluster)
            await written(ctx, dut)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        await claim(ctx, dut, 3 + PLACES)
        await written(ctx, dut)
        ctx.set(dut.idle, 1)
        ctx.set(dut.job.ready, 1)
        asked = []
        for _ in range(10 * PLACES):
            _, _, valid, job = await ctx.tick().sample(dut.job.valid, dut.job.payload)
            if valid:
                asked.append(job.addr // CLUSTER)
        assert asked == [3 + PLACES]

    wrapped = ResetInserter(reset)(dut)
    run(wrapped, bench, cycles=400)


def test_cleared_after_a_reset():
    cleared_after_a_reset(Verifier)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_verifier_is_caught(name):
    broken = mutate("dojang_hdl.guard.verifier", *MUTATIONS[name]).Verifier
    with pytest.raises((AssertionError, KeyError)):
        for check in (cleared_after_a_reset, *CHECKS):
            check(broken)
