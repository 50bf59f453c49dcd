"""Sealed clusters against the packer's headers."""

import random
import zlib
from collections import deque
from itertools import pairwise

import numpy as np
import pytest
from dojang.compile.protection import Protection, check_bits
from dojang_hdl.guard.jobs import Purpose
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.guard.merger import AHEAD, SEALED, Merger
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

FULL = 0xFFFF
HEADER, CRC_BIT = CLUSTER, 72   # its index, and where its CRC is
CLUSTERS = 16

MUTATIONS = {
    "old bytes kept": ("now.gathered & self.word.mask[byte]", "0"),
    "refreshed with the chip's words": ("now.gathered & self.word.mask[byte]", "self.word.mask[byte]"),
    "words before a restart kept": ("Mux(self.restart, Cat(Const(0, _INDEX), judged[slot]), old_at + self.old_en)",
                                    "old_at + self.old_en"),
    "a restart forgets what was judged": ("Cat(Const(0, _INDEX), judged[slot])", "0"),
    "words of another read": ("kept.addr.eq(Cat(at, taken[slot]))", "kept.addr.eq(Cat(at, judged[slot]))"),
    "whole ones have a place, too": ("taken.eq(taken + (done & ~now.whole))", "taken.eq(taken + done)"),
    "begins before the verdict": ("with m.Elif((taken != judged) | whole.r_rdy):",
                                  "with m.Elif(asked.r_rdy | whole.r_rdy):"),
    "bad read sealed": ("with m.If((taken != judged) & ~goods.bit_select(taken[slot], 1)):", "with m.If(0):"),
    "words of another place": ("self.entry.eq(now.entry)", "self.entry.eq(now.entry ^ 1)"),
    "those that were read are passed for ever": ("Mux(taken != judged, asked", "Mux((taken != judged) & 0, asked"),
    "the verdict on another": ("goods.bit_select(judged[slot], 1).eq", "goods.bit_select(taken[slot], 1).eq"),
    "words beside those it seals": ("with m.If(fetched & ~self.restart):", "with m.If(1):"),
    "the word that a restart meets": ("with m.If(fetched & ~self.restart):", "with m.If(fetched):"),
    "address not in the CRC": ("sealer.crc ^ (now.cluster << _INDEX)", "sealer.crc"),
    "sealed though its checks were lost": ("with m.If(self.restart):\n                m.d",
                                           "with m.If(0):\n                m.d"),
    "a word left over of what was lost": ("fetched.eq(0), merged_en.eq(0)]", "fetched.eq(0)]"),
    "begins without room": ("with m.If(~self.used.bit_select(fill, 1)):", "with m.If(1):"),
    "checks of other words": ("with m.If(sealer.check_en):", "with m.If(1):"),
    "CRC of other words": ("with m.If(sealer.crc_en):", "with m.If(1):"),
    "header over a word": ("Cat(merged_at, seal_header, fill)", "Cat(merged_at, 0, fill)"),
    "taken before its time": ("merged_en.eq(fetched)", "merged_en.eq(fetched), fetched_at.eq(at + 1)"),
    "one place only": ("m.d.sync += fill.eq(fill + 1)", "m.d.sync += fill.eq(fill)"),
    "another place is written": ("out.eq(offer), offer", "out.eq(0), offer"),
    "the CRC of another": ("crc.addr.eq(offer)", "crc.addr.eq(0)"),
    "free before it is written": ("with m.If(self.written & (out == place)):",
                                  "with m.If(self.o.valid & self.o.ready & (offer == place)):"),
    "read before it was written": ("self.job.valid.eq(~sealed)", "self.job.valid.eq(1)"),
    "refreshed with what was before": ("self.refresh.valid & quiet & (self.used == 0)", "self.refresh.valid"),
    "what is written passes a refresh": ("& ~refreshing):", "):"),
    "more reads than places": ("with m.If(asked.w_rdy & whole.w_rdy", "with m.If(whole.w_rdy"),
    "not said to be there": ("self.used[place].eq(1)", "self.used[place].eq(0)"),
    "idle too early": ("& (self.used == 0))\n            with", ")\n            with"),
    "idle while it reads": ("self.refresh.valid | ~quiet", "self.refresh.valid"),
}


class Bench:
    """Clusters are gathered and refreshed in random order; ``memory`` holds what has been written, words by cluster.

    Reads take some time, come in pieces, now and then anew from the first word on (the words before were wrong), and
    end wrong for the clusters ``bad``. ``lost``: of a restart in a cycle in which the checker has something to lose.
    """

    def __init__(self, merger, count, seed=1, stall=0.3, bad=(3,), restarts=0.3, lost=0.02, clusters=CLUSTERS):
        self.dut, self.rng = merger(), random.Random(seed)
        self.stall, self.bad, self.restarts, self.lost = stall, bad, restarts, lost
        rng = self.rng
        self.memory = [[rng.getrandbits(128) for _ in range(CLUSTER)] for _ in range(clusters)]
        self.expected = [list(words) for words in self.memory]
        self.todo = []          # (cluster, None or masks and data of its words)
        for _ in range(count):
            masks = rng.choice(([FULL] * CLUSTER, [FULL, 0] * 4, [rng.getrandbits(16) for _ in range(CLUSTER)], None))
            words = masks and [(rng.getrandbits(128), mask) for mask in masks]
            self.todo.append((rng.randrange(clusters), words))
        self.gathered = {}          # taken and not left: cluster and words by place
        self.sealed = []            # clusters that are to be sealed
        self.jobs = deque()         # clusters that are being read
        self.reads = self.most = 0
        self.finished = False

    @staticmethod
    def merge(old, new, mask):
        bits = sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)
        return old & ~bits | new & bits

    async def source(self, ctx):
        dut, rng = self.dut, self.rng
        for cluster, words in self.todo:
            while words and (len(self.gathered) == 16 or any(cluster == other for other, _ in self.gathered.values())):
                await ctx.tick()
            entry = rng.choice([place for place in range(16) if place not in self.gathered] or [0])
            stream = dut.i if words else dut.refresh
            whole = bool(words) and all(mask == FULL for _, mask in words)
            ctx.set(stream.payload, {"cluster": cluster, "whole": whole, "entry": entry} if words else cluster)
            ctx.set(stream.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(stream.ready)
            ctx.set(stream.valid, 0)
            if words:
                self.gathered[entry] = cluster, words
            if whole or cluster not in self.bad:
                self.sealed.append(cluster)
                self.expected[cluster] = [
                    self.merge(old, *new)
                    for old, new in zip(self.expected[cluster], words or [(0, 0)] * CLUSTER, strict=True)]
            for _ in range(rng.choice((0, 0, 5))):
                await ctx.tick()
        self.finished = True

    async def combiner(self, ctx):
        """The words of the cluster it is asked for."""
        dut, rng = self.dut, self.rng
        while True:
            _, _, entry, index, left = await ctx.tick().sample(dut.entry, dut.index, dut.left)
            if left:
                del self.gathered[entry]
            data, mask = self.gathered[entry][1][index] if entry in self.gathered else (rng.getrandbits(128), FULL)
            ctx.set(dut.word, {"data": data, "mask": mask})

    async def checker(self, ctx):
        """Reads for the merger, and makes check bits and CRC for it; a restart is one of both."""
        dut, sealer, rng = self.dut, self.dut.sealer, self.rng
        due, sealing = {}, []           # (name, cycle): what is said then; words
        at, judge, wrong = 0, 0, False  # words read; cycles until the verdict; of words that come again
        cycle = restart = 0
        while True:
            restart = max(restart - 1, 0)
            again = wrong and at and rng.random() < 0.2
            if not restart and (again or ((sealing or due) and rng.random() < self.lost)):
                restart = rng.randint(1, 3)
                due, sealing, at, judge = {}, [], 0, 0
                wrong = rng.random() < self.restarts
            ctx.set(dut.restart, restart > 0)
            judged = not restart and judge == 1
            judge = max(judge - 1, 0)
            ctx.set(dut.judged, judged)
            if judged:
                ctx.set(dut.good, self.jobs.popleft() not in self.bad)
                at, wrong = 0, rng.random() < self.restarts
            gives = not restart and not judge and self.jobs and at < CLUSTER and rng.random() >= self.stall
            ctx.set(dut.old_en, bool(gives))
            if gives:
                ctx.set(dut.old, rng.getrandbits(128) if wrong else self.memory[self.jobs[0]][at])
                at += 1
                if at == CLUSTER and not wrong:
                    judge = rng.randint(2, 4)
            for name, width in (("check", 9), ("crc", 32)):
                known = due.pop((name, cycle), None)
                ctx.set(getattr(sealer, name), rng.getrandbits(width) if known is None else known)
                ctx.set(getattr(sealer, f"{name}_en"), known is not None)
            ctx.set(dut.job.ready, rng.random() >= self.stall)
            used, clusters = ctx.get(dut.used), ctx.get(dut.clusters)
            assert not (self.jobs and ctx.get(dut.idle))
            *_, en, word, job, valid, ready = await ctx.tick().sample(
                sealer.en, sealer.word, dut.job.payload, dut.job.valid, dut.job.ready)
            assert en or not word
            if en and not restart:
                sealing.append(word.to_bytes(16, "little"))
                due["check", cycle + 2] = int(check_bits(np.frombuffer(sealing[-1], np.uint8)))
                if len(sealing) == CLUSTER:
                    due["crc", cycle + 4] = zlib.crc32(b"".join(sealing))
                    sealing = []
            if valid and ready:
                cluster = job.addr // CLUSTER
                assert job.purpose.value == Purpose.MERGE.value and job.length == CLUSTER and not job.raw
                assert cluster not in [clusters[i] for i in range(SEALED) if used >> i & 1], "sealed, not in the memory"
                self.jobs.append(cluster)
                self.reads += 1
                self.most = max(self.most, len(self.jobs))
            cycle += 1

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
            cluster, crc = ctx.get(dut.o.payload.cluster), ctx.get(dut.o.payload.crc)
            self.sealed.remove(cluster)
            assert cluster in [clusters[i] for i in range(SEALED) if used >> i & 1]
            ctx.set(dut.o.ready, 1)
            await ctx.tick()
            ctx.set(dut.o.ready, 0)
            words = []
            for index in (*range(CLUSTER), HEADER):
                while rng.random() < self.stall:
                    await ctx.tick()
                ctx.set(dut.sealed_index, index)
                await ctx.tick()
                words.append(ctx.get(dut.sealed_word))
            sealed_header = words.pop()
            used, clusters = ctx.get(dut.used), ctx.get(dut.clusters)
            assert cluster in [clusters[i] for i in range(SEALED) if used >> i & 1], "free before it is written"
            ctx.set(dut.written, 1)
            await ctx.tick()
            ctx.set(dut.written, 0)
            self.memory[cluster] = words
            left -= 1
            protection = Protection(0, CLUSTER * (cluster + 1), CLUSTER)
            data = np.frombuffer(b"".join(word.to_bytes(16, "little") for word in words), np.uint8)
            memory = np.zeros(protection.physical_words * 16, np.uint8)
            protection.store(memory, np.concatenate([np.zeros(cluster * CLUSTER * 16, np.uint8), data]), [])
            header = memory.reshape(-1, 16)[-CLUSTER - 1].tobytes()
            assert sealed_header == int.from_bytes(header, "little")
            assert crc == sealed_header >> CRC_BIT & 0xFFFFFFFF
        while self.jobs or self.gathered:   # those that are not written
            await ctx.tick()
        for _ in range(30):
            await ctx.tick()
        assert ctx.get(dut.idle) and not ctx.get(dut.o.valid) and not ctx.get(dut.used)
        assert self.memory == self.expected


def check(merger, count=24, **options):
    bench = Bench(merger, count, **options)
    run(bench.dut, bench.source, bench.sink, background=(bench.combiner, bench.checker), cycles=130 * count + 100)
    return bench


@pytest.mark.parametrize("stall", [0, 0.5])
def test_clusters_are_completed(stall):
    bench = check(Merger, stall=stall)
    assert bench.reads and bench.most > 2
    check(Merger, stall=stall, clusters=3)


def test_a_whole_cluster_in_16_cycles():
    bench = Bench(Merger, 0, lost=0)
    bench.todo = [(number, [(number, FULL)] * CLUSTER) for number in range(4)]
    dut, cycles = bench.dut, []

    async def sink(ctx):
        cycle = 0
        ctx.set(dut.o.ready, 1)
        while len(cycles) < 4:
            _, _, left, taken = await ctx.tick().sample(dut.left, dut.o.valid)
            ctx.set(dut.written, taken)
            cycles.extend([cycle] * left)
            cycle += 1
        assert [b - a for a, b in pairwise(cycles)] == [16] * 3

    run(dut, bench.source, sink, background=(bench.combiner, bench.checker), cycles=200)


def all_at_once(merger):
    """As many as there is room for are asked for before the first one is answered."""
    dut = merger()

    async def bench(ctx):
        ctx.set(dut.job.ready, 1)
        for cluster in range(AHEAD):
            ctx.set(dut.i.payload, {"cluster": cluster, "whole": 0, "entry": cluster})
            ctx.set(dut.i.valid, 1)
            asked = 0
            while not asked:
                _, _, ready, asked = await ctx.tick().sample(dut.i.ready, dut.job.valid)
                if ready:
                    ctx.set(dut.i.valid, 0)
        ctx.set(dut.i.valid, 1)
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            assert not ready, "there is no room for its words"

    run(dut, bench, cycles=100)


def no_more_than_there_are_places(merger):
    """What is sealed stays until it is written."""
    bench = Bench(merger, 0, lost=0)
    bench.todo = [(number, [(number, FULL)] * CLUSTER) for number in range(SEALED + 2)]
    left = 0

    async def sink(ctx):
        nonlocal left
        for _ in range(20 * (SEALED + 3)):
            left += (await ctx.tick().sample(bench.dut.left))[2]
        assert left == SEALED

    run(bench.dut, sink, background=(bench.source, bench.combiner, bench.checker), cycles=30 * (SEALED + 3))


def passed(merger):
    """A whole cluster does not wait for what is being read."""
    dut = merger()

    async def bench(ctx):
        ctx.set(dut.job.ready, 1)
        for cluster, whole in ((1, 0), (2, 1)):
            ctx.set(dut.i.payload, {"cluster": cluster, "whole": whole, "entry": cluster})
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
        ctx.set(dut.i.valid, 0)
        left = 0
        while not left:
            _, _, left, entry = await ctx.tick().sample(dut.left, dut.entry)
        assert entry == 2

    async def checker(ctx):
        cycle, ends = 0, []
        while True:
            *_, en = await ctx.tick().sample(dut.sealer.en)
            ends += [cycle + 4] * en
            cycle += 1
            ctx.set(dut.sealer.crc_en, len(ends) == CLUSTER and ends[-1] == cycle)

    run(dut, bench, background=(checker,), cycles=60)


def refresh_is_alone(merger):
    """What the chip writes waits until a cluster that is being refreshed is sealed: it would be undone."""
    dut = merger()

    async def bench(ctx):
        ctx.set(dut.job.ready, 1)
        ctx.set(dut.refresh.valid, 1)
        ready = 0
        while not ready:
            _, _, ready = await ctx.tick().sample(dut.refresh.ready)
        ctx.set(dut.refresh.valid, 0)
        ctx.set(dut.i.payload, {"cluster": 0, "whole": 1, "entry": 1})
        ctx.set(dut.i.valid, 1)
        for _ in range(20):
            _, _, ready = await ctx.tick().sample(dut.i.ready)
            assert not ready

    run(dut, bench, cycles=60)


@pytest.mark.parametrize("check", [passed, refresh_is_alone])
def test_what_passes_what(check):
    check(Merger)


@pytest.mark.parametrize("check", [all_at_once, no_more_than_there_are_places])
def test_places(check):
    check(Merger)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_merger_is_caught(name):
    broken = mutate("dojang_hdl.guard.merger", *MUTATIONS[name]).Merger
    with pytest.raises((AssertionError, IndexError, KeyError, ValueError)):
        check(broken, restarts=0.5, lost=0.1)
        check(broken, stall=0.8, bad=())
        check(broken, count=60, stall=0.1, restarts=0)
        check(broken, count=60, stall=0.5, clusters=3, seed=2)
        all_at_once(broken)
        no_more_than_there_are_places(broken)
        passed(broken)
        refresh_is_alone(broken)
