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
    "waits for reads elsewhere": ("log.addr.eq(self.i.payload.cluster << _INDEX)", "log.addr.eq(0)"),
    "header twice": ("m.d.comb += self.sealed_index.eq(0)", "m.d.comb += self.sealed_index.eq(CLUSTER)"),
    "words skipped on a stall": ("with m.If(sent):", "with m.If(1):"),
    "words lost": ("self.sealed_index.eq(at + 1)", "self.sealed_index.eq(at + 2)"),
    "no header": ('with m.State("HEADER"):\n                m.d.comb += self.sealed_index.eq(CLUSTER)',
                  'with m.State("HEADER"):\n                m.d.comb += self.sealed_index.eq(0)'),
    "written with the header": ("with m.If(sent & (at == CLUSTER)):", "with m.If(sent & (at == 0)):"),
    "another place": ("place.addr.eq(cluster << _INDEX)", "place.addr.eq(cluster)"),
    "the next one's place": ("place.addr.eq(cluster << _INDEX)", "place.addr.eq(self.i.payload.cluster << _INDEX)"),
    "not noted": ("self.claim.payload.eq(self.i.payload)", "self.claim.payload.cluster.eq(self.i.payload.cluster)"),
    "taken while another is written": ("with m.If(free):", "with m.If(1):"),
    "claimed only when another is written": ("with m.If(self.claim.ready):", "with m.If(self.claim.ready & free):"),
    "bytes left out": ("self.write.payload.mask.eq(~0)", "self.write.payload.mask.eq(0x7FFF)"),
}
CRC_BIT = 72    # of a header


def sealed(rng):
    """A cluster's number, its words, its header."""
    return rng.getrandbits(29), *(rng.getrandbits(128) for _ in range(CLUSTER + 1))


def written_in_order(emitter, count=12, stall=0.4):
    """Claim, place, nine words, each in its turn, whatever stalls; the next claim meanwhile."""
    dut, rng = emitter(), random.Random(2)
    clusters = [sealed(rng) for _ in range(count)]
    log, taken = [], [None]

    async def source(ctx):
        for cluster, *words in clusters:
            ctx.set(dut.i.payload, {"cluster": cluster, "crc": words[CLUSTER] >> CRC_BIT & 0xFFFFFFFF})
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready, idle = await ctx.tick().sample(dut.i.ready, dut.idle)
                assert not (ready and idle)
            taken[0] = words
            ctx.set(dut.i.valid, 0)
            for _ in range(rng.randrange(3)):
                await ctx.tick()

    async def memory(ctx):
        """The words of the cluster taken last."""
        while True:
            words = taken[0]
            _, _, index, written = await ctx.tick().sample(dut.sealed_index, dut.written)
            ctx.set(dut.sealed_word, words[index] if words and index <= CLUSTER else rng.getrandbits(128))
            if written:
                log.append(("written", None))

    def sink(name, stream, number):
        async def bench(ctx):
            for _ in range(number):
                log.append((name, *(await receive(ctx, stream, 1, rng, stall))))
        return bench

    async def end(ctx):
        while len(log) < count * (CLUSTER + 4):
            await ctx.tick()
        await ctx.tick()
        assert ctx.get(dut.idle)

    run(dut, source, sink("claim", dut.claim, count), sink("place", dut.place, count),
        sink("write", dut.write, count * (CLUSTER + 1)), end, background=(memory,), cycles=count * 100)
    claims = [(at, claim) for at, (name, claim) in enumerate(log) if name == "claim"]
    rest = [(at, name, what) for at, (name, what) in enumerate(log) if name != "claim"]
    early = 0
    for (cluster, *words, header), (claimed, claim) in zip(clusters, claims, strict=True):
        (placed, first, place), *writes, (ended, last, _) = rest[:CLUSTER + 3]
        del rest[:CLUSTER + 3]
        assert (claim.cluster, claim.crc) == (cluster, header >> CRC_BIT & 0xFFFFFFFF)
        assert claimed < placed and (first, last) == ("place", "written")
        assert (place.write, place.raw, place.addr, place.length) == (1, 0, cluster * CLUSTER, CLUSTER)
        assert [(name, word.data, word.mask) for _, name, word in writes] == [
            ("write", word, 0xFFFF) for word in (header, *words)]
        early += any(placed < other < ended for other, _ in claims)
    assert early > count / 2, "the next one is not claimed meanwhile"


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
            ctx.set(dut.i.payload, {"cluster": cluster, "crc": 0})
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
