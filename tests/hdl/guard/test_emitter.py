"""Clusters on their way to the memory: what is written, and what they wait for."""

import random

import pytest
from dojang_hdl.guard.emitter import Emitter
from dojang_hdl.guard.layout import CLUSTER
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run

MUTATIONS = {
    "waits for no read": ("with m.If(log.clear):", "with m.If(1):"),
    "does not wait for the answer": ('with m.State("LOOK"):\n                m.next = "READS"',
                                     'with m.State("LOOK"):\n                m.next = "CLAIM"'),
    "waits for reads elsewhere": ("log.addr.eq(cluster << _INDEX)", "log.addr.eq(0)"),
    "header twice": ("m.d.comb += self.sealed_index.eq(0)", "m.d.comb += self.sealed_index.eq(CLUSTER)"),
    "words skipped on a stall": ("with m.If(sent & (at != CLUSTER)):", "with m.If(at != CLUSTER):"),
    "words lost on a stall": ("with m.If(sent):", "with m.If(1):"),
    "the header before": ("init=CLUSTER", "init=0"),
    "written with the header": ("self.written.eq(1)]", "]"),
    "another place": ("place.addr.eq(cluster << _INDEX)", "place.addr.eq(cluster)"),
    "not noted": ("self.claim.payload.crc.eq(Header(word).crc)", "self.claim.payload.crc.eq(0)"),
    "bytes left out": ("self.write.payload.mask.eq(~0)", "self.write.payload.mask.eq(0x7FFF)"),
}
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
    """Those near a cluster that were taken when it came, and no others."""
    dut, rng = emitter(), random.Random(3)

    async def read(ctx, first, last):
        ctx.set(dut.first, first)
        ctx.set(dut.last, last)
        ctx.set(dut.read, 1)
        await ctx.tick()
        ctx.set(dut.read, 0)
        await ctx.tick().repeat(3)

    async def done(ctx):
        ctx.set(dut.done, 1)
        await ctx.tick()
        ctx.set(dut.done, 0)
        await ctx.tick().repeat(4)

    async def bench(ctx):
        ctx.set(dut.place.ready, 1)
        ctx.set(dut.write.ready, 1)
        for _ in range(4):
            cluster = rng.randrange(1 << 20)
            near, elsewhere = cluster * CLUSTER, cluster * CLUSTER + rng.randrange(512, 8192)
            await read(ctx, elsewhere, elsewhere + 1)
            await read(ctx, *rng.choice(((near, near + 255), (near - 255, near))))
            ctx.set(dut.i.payload, cluster)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().repeat(4)
            await read(ctx, elsewhere, elsewhere + 255)
            for _ in range(2):
                assert not ctx.get(dut.claim.valid), "a read before it is not done"
                await done(ctx)
            assert ctx.get(dut.claim.valid)
            ctx.set(dut.claim.ready, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                ctx.set(dut.claim.ready, 0)
            ctx.set(dut.i.valid, 0)
            await done(ctx)

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
