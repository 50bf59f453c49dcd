"""Sealed clusters against the packer's headers."""

import random
import zlib

import numpy as np
import pytest
from dojang.compile.protection import Protection, check_bits
from dojang_hdl.guard.jobs import Purpose
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.guard.merger import Merger
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

FULL = 0xFFFF
HEADER = CLUSTER    # its index
CLUSTERS = 16

MUTATIONS = {
    "old bytes kept": ("gathered & self.word.mask[byte]", "0"),
    "refreshed with the chip's words": ("gathered & self.word.mask[byte]", "self.word.mask[byte]"),
    "words before a restart kept": ("at.eq(Mux(self.restart, 0, at + self.old_en))", "at.eq(at + self.old_en)"),
    "bad read sealed": ("with m.If(~self.good):", "with m.If(0):"),
    "address not in the CRC": ("sealer.crc ^ (cluster << _INDEX)", "sealer.crc"),
    "sealed though its checks were lost": ("with m.If(self.restart):\n                m.d",
                                           "with m.If(0):\n                m.d"),
    "a word left over of what was lost": ("fetched.eq(0), merged_en.eq(0)]", "fetched.eq(0)]"),
    "begins without room": ("with m.If(~self.used.bit_select(in_half, 1)):", "with m.If(1):"),
    "checks of other words": ("with m.If(sealer.check_en):", "with m.If(1):"),
    "CRC of other words": ("with m.If(sealer.crc_en):", "with m.If(1):"),
    "header over a word": ("Cat(merged_at, seal_header, in_half)", "Cat(merged_at, 0, in_half)"),
    "taken before its time": ("merged_en.eq(fetched)", "merged_en.eq(fetched), fetched_at.eq(at + 1)"),
    "one half only": ("m.d.sync += in_half.eq(~in_half)", "m.d.sync += in_half.eq(in_half)"),
    "read before it was written": ("self.job.valid.eq(self.used == 0)", "self.job.valid.eq(1)"),
    "not said to be there": ("self.used[half].eq(1)", "self.used[half].eq(0)"),
    "idle too early": ("& (self.used == 0))", ")"),
}


class Bench:
    """Clusters are gathered and refreshed in random order; ``memory`` holds what has been written, words by cluster.

    Reads take some time, come in pieces, now and then anew from the first word on (the words before were wrong), and
    end wrong for the clusters ``bad``.
    """

    def __init__(self, merger, count, seed=1, stall=0.3, bad=(3,), restarts=0.3):
        self.dut, self.rng = merger(), random.Random(seed)
        self.stall, self.bad, self.restarts = stall, bad, restarts
        rng = self.rng
        self.memory = [[rng.getrandbits(128) for _ in range(CLUSTER)] for _ in range(CLUSTERS)]
        self.expected = [list(words) for words in self.memory]
        self.todo = []          # (cluster, None or masks and data of its words)
        for _ in range(count):
            masks = rng.choice(([FULL] * CLUSTER, [FULL, 0] * 4, [rng.getrandbits(16) for _ in range(CLUSTER)], None))
            words = masks and [(rng.getrandbits(128), mask) for mask in masks]
            self.todo.append((rng.randrange(CLUSTERS), words))
        self.sealed = []        # clusters, in the order they are to be sealed
        self.reads = 0
        self.writing = self.finished = False

    @staticmethod
    def merge(old, new, mask):
        bits = sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)
        return old & ~bits | new & bits

    async def source(self, ctx):
        dut, rng = self.dut, self.rng
        for cluster, words in self.todo:
            stream = dut.i if words else dut.refresh
            whole = bool(words) and all(mask == FULL for _, mask in words)
            ctx.set(stream.payload, {"cluster": cluster, "whole": whole} if words else cluster)
            ctx.set(stream.valid, 1)
            if whole or cluster not in self.bad:
                self.sealed.append(cluster)
                self.expected[cluster] = [
                    self.merge(old, *new)
                    for old, new in zip(self.expected[cluster], words or [(0, 0)] * CLUSTER, strict=True)]
            ready = 0
            while not ready:
                # Of a refresh the combiner says nothing.
                _, _, ready, index = await ctx.tick().sample(stream.ready, dut.index)
                data, mask = words[index] if words else (rng.getrandbits(128), FULL)
                ctx.set(dut.word, {"data": data, "mask": mask})
            ctx.set(stream.valid, 0)
            for _ in range(rng.choice((0, 0, 5))):
                await ctx.tick()
        self.finished = True

    async def reader(self, ctx):
        dut, rng = self.dut, self.rng
        while True:
            ctx.set(dut.job.ready, rng.random() >= self.stall)
            _, _, job, *taken = await ctx.tick().sample(dut.job.payload, dut.job.valid, dut.job.ready)
            ctx.set(dut.job.ready, 0)
            if not all(taken):
                continue
            self.reads += 1
            assert job.purpose.value == Purpose.MERGE.value and job.length == CLUSTER and not job.raw
            cluster = job.addr // CLUSTER
            assert not self.writing and not ctx.get(dut.o.valid), "what was sealed before is not in the memory yet"
            while rng.random() < self.restarts:
                await self.words(ctx, [rng.getrandbits(128) for _ in range(rng.randrange(CLUSTER + 1))])
                ctx.set(dut.restart, 1)
                await ctx.tick().repeat(rng.randint(1, 3))
                ctx.set(dut.restart, 0)
            await self.words(ctx, self.memory[cluster])
            ctx.set(dut.judged, 1)
            ctx.set(dut.good, cluster not in self.bad)
            await ctx.tick()
            ctx.set(dut.judged, 0)

    async def words(self, ctx, words):
        for word in words:
            while self.rng.random() < self.stall:
                await ctx.tick()
            ctx.set(self.dut.old, word)
            ctx.set(self.dut.old_en, 1)
            await ctx.tick()
            ctx.set(self.dut.old_en, 0)
        await ctx.tick().repeat(self.rng.randint(1, 3))

    async def sink(self, ctx):
        dut, rng = self.dut, self.rng
        left = len(self.todo) - sum(cluster in self.bad and not (words and all(mask == FULL for _, mask in words))
                                    for cluster, words in self.todo)
        while left or not self.finished:
            used, clusters = ctx.get(dut.used), ctx.get(dut.clusters)
            if not ctx.get(dut.o.valid):
                assert not used, "something is used and not offered"
                await ctx.tick()
                continue
            assert used and not ctx.get(dut.idle)
            cluster = self.sealed.pop(0)
            assert ctx.get(dut.o.payload) == cluster and cluster in [clusters[i] for i in range(2) if used >> i & 1]
            self.writing = True
            words = []
            for index in (*range(CLUSTER), HEADER):
                while rng.random() < self.stall:
                    await ctx.tick()
                ctx.set(dut.sealed_index, index)
                await ctx.tick()
                words.append(ctx.get(dut.sealed_word))
            sealed_header = words.pop()
            ctx.set(dut.o.ready, 1)
            await ctx.tick()
            ctx.set(dut.o.ready, 0)
            self.memory[cluster], self.writing = words, False
            left -= 1
            protection = Protection(0, CLUSTER * (cluster + 1), CLUSTER)
            data = np.frombuffer(b"".join(word.to_bytes(16, "little") for word in words), np.uint8)
            memory = np.zeros(protection.physical_words * 16, np.uint8)
            protection.store(memory, np.concatenate([np.zeros(cluster * CLUSTER * 16, np.uint8), data]), [])
            header = memory.reshape(-1, 16)[-CLUSTER - 1].tobytes()
            assert sealed_header == int.from_bytes(header, "little")
        for _ in range(30):
            await ctx.tick()
        assert ctx.get(dut.idle) and not ctx.get(dut.o.valid) and not ctx.get(dut.used)
        assert self.memory == self.expected


async def seal(ctx, dut, rng, lost=0.0):
    """The side of the checker; ``lost``: of a restart in a cycle with something to lose."""
    sealer, cycle, words = dut.sealer, 0, []
    due = {}            # cycle: what is said in it
    restart = 0         # cycles
    while True:
        if not restart and (words or due) and rng.random() < lost:
            restart = rng.randint(1, 3)
            ctx.set(dut.restart, 1)
        for name, width in (("check", 9), ("crc", 32)):
            known = due.pop((name, cycle), None)
            ctx.set(getattr(sealer, name), rng.getrandbits(width) if known is None else known)
            ctx.set(getattr(sealer, f"{name}_en"), known is not None)
        *_, en, word = await ctx.tick().sample(sealer.en, sealer.word)
        if en:
            words.append(word.to_bytes(16, "little"))
            due["check", cycle + 2] = int(check_bits(np.frombuffer(words[-1], np.uint8)))
            if len(words) == CLUSTER:
                due["crc", cycle + 4] = zlib.crc32(b"".join(words))
                words.clear()
        if restart:
            words.clear()
            due.clear()
            restart -= 1
            ctx.set(dut.restart, restart > 0)
        cycle += 1


def check(merger, count=24, lost=0.02, **options):
    bench = Bench(merger, count, **options)

    async def checker(ctx):
        await seal(ctx, bench.dut, random.Random(5), lost=lost)

    run(bench.dut, bench.source, bench.sink, background=(bench.reader, checker), cycles=130 * count + 100)
    return bench


@pytest.mark.parametrize("stall", [0, 0.5])
def test_clusters_are_completed(stall):
    assert check(Merger, stall=stall).reads


def test_a_whole_cluster_in_16_cycles():
    dut = Merger()

    async def bench(ctx):
        ctx.set(dut.i.payload, {"cluster": 1, "whole": 1})
        ctx.set(dut.i.valid, 1)
        for _ in range(2):
            cycles, ready = 0, 0
            while not ready:
                cycles += 1
                _, _, ready = await ctx.tick().sample(dut.i.ready)
            assert cycles == 16

    async def checker(ctx):
        await seal(ctx, dut, random.Random(1))

    run(dut, bench, background=(checker,), cycles=40)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_merger_is_caught(name):
    broken = mutate("dojang_hdl.guard.merger", *MUTATIONS[name]).Merger
    with pytest.raises((AssertionError, IndexError)):
        check(broken, count=12, restarts=0.5, lost=0.1)
        check(broken, stall=0.8, bad=())
