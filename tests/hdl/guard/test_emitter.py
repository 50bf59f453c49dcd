"""Clusters on their way to the memory: what is written, and what they wait for."""

import random

import pytest
from dojang_hdl.guard.emitter import COUNT_BITS, Emitter
from dojang_hdl.guard.layout import CLUSTER
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run

MUTATIONS = {
    "waits for no read": ("free | seen & ~(self.done - before)[COUNT_BITS - 1]", "free | seen"),
    "waits for later reads": ("with m.If(~seen):\n", "with m.If(1):\n"),
    "waits again when counters wrap": ("free.eq(free | seen", "free.eq(seen"),
    "free for ever": ("[seen.eq(0), free.eq(0)]", "seen.eq(0)"),
    "header twice": ("m.d.comb += self.sealed_index.eq(0)", "m.d.comb += self.sealed_index.eq(CLUSTER)"),
    "words skipped on a stall": ("with m.If(sent & (at != CLUSTER)):", "with m.If(at != CLUSTER):"),
    "words lost on a stall": ("with m.If(sent):", "with m.If(1):"),
    "the header before": ("init=CLUSTER", "init=0"),
    "written with the header": ("self.written.eq(1)]", "]"),
    "another place": ("place.addr.eq(cluster << _INDEX)", "place.addr.eq(cluster)"),
    "not noted": ("self.claim.payload.crc.eq(Header(word).crc)", "self.claim.payload.crc.eq(0)"),
    "bytes left out": ("self.write.payload.mask.eq(~0)", "self.write.payload.mask.eq(0x7FFF)"),
}
COUNTS = 1 << COUNT_BITS
CRC_BIT = 72    # of a header


def sealed(rng):
    """A cluster's number, its words, its header."""
    return rng.getrandbits(29), *(rng.getrandbits(128) for _ in range(CLUSTER + 1))


def written_in_order(emitter, count=12, stall=0.4):
    """Claim, place, nine words, each in its turn, whatever stalls."""
    dut, rng = emitter(), random.Random(2)
    clusters = [sealed(rng) for _ in range(count)]
    log = []

    async def source(ctx):
        for cluster, *words in clusters:
            ctx.set(dut.i.payload, cluster)
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready, index, written, idle = await ctx.tick().sample(
                    dut.i.ready, dut.sealed_index, dut.written, dut.idle)
                ctx.set(dut.sealed_word, words[index])
                assert written == ready and not (ready and idle)
            ctx.set(dut.i.valid, 0)
            for _ in range(rng.randrange(3)):
                await ctx.tick()
        assert ctx.get(dut.idle)

    def sink(name, stream, number):
        async def bench(ctx):
            for _ in range(number):
                log.append((name, *(await receive(ctx, stream, 1, rng, stall))))
        return bench

    run(dut, source, sink("claim", dut.claim, count), sink("place", dut.place, count),
        sink("write", dut.write, count * (CLUSTER + 1)), cycles=count * 100)
    for cluster, *words, header in clusters:
        (first, claim), (second, place), *rest = log[:CLUSTER + 3]
        del log[:CLUSTER + 3]
        assert (first, claim.cluster, claim.crc) == ("claim", cluster, header >> CRC_BIT & 0xFFFFFFFF)
        assert (second, place.write, place.raw, place.addr, place.length) == (
            "place", 1, 0, cluster * CLUSTER, CLUSTER)
        assert [(name, word.data, word.mask) for name, word in rest] == [
            ("write", word, 0xFFFF) for word in (header, *words)]


def waits_for_reads_before(emitter):
    """Those that were taken when a cluster came, however many are taken later and whatever the counters' values."""
    rng = random.Random(3)
    for taken in (0, 5, COUNTS - 3, COUNTS // 2 - 1):
        for before in (0, 1, 16):
            one_claim(emitter, rng, taken, before)


def one_claim(emitter, rng, taken, before, clusters=2):
    dut = emitter()

    async def bench(ctx):
        done, now = taken - before, taken
        ctx.set(dut.place.ready, 1)
        ctx.set(dut.write.ready, 1)
        for _ in range(clusters):
            ctx.set(dut.taken, now % COUNTS)
            ctx.set(dut.done, done % COUNTS)
            await ctx.tick().repeat(3)
            ctx.set(dut.i.payload, sealed(rng)[0])
            ctx.set(dut.i.valid, 1)
            await ctx.tick()
            now += 3
            ctx.set(dut.taken, now % COUNTS)
            for _ in range(now - 3 - done):
                await ctx.tick().repeat(3)
                assert not ctx.get(dut.claim.valid), "a read before it is not done"
                done += 1
                ctx.set(dut.done, done % COUNTS)
            for _ in range(4):
                await ctx.tick()
            # The claim is not taken while more reads come and go than the counters can count.
            for _ in range(COUNTS):
                assert ctx.get(dut.claim.valid)
                now, done = now + 1, done + 1
                ctx.set(dut.taken, now % COUNTS)
                ctx.set(dut.done, done % COUNTS)
                await ctx.tick()
            ctx.set(dut.claim.ready, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                ctx.set(dut.claim.ready, 0)
            ctx.set(dut.i.valid, 0)

    run(dut, bench, cycles=500)


CHECKS = (written_in_order, waits_for_reads_before)


@pytest.mark.parametrize("check", CHECKS)
def test_emitter(check):
    check(Emitter)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_emitter_is_caught(name):
    broken = mutate("dojang_hdl.guard.emitter", *MUTATIONS[name]).Emitter
    with pytest.raises(AssertionError):
        for check in CHECKS:
            check(broken)
