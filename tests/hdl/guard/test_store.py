"""What leaves the store against what was committed."""

import random

import pytest
from dojang_hdl.guard.store import Store
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

DEPTH = 32
BEHIND = 6
"""Words that come after ``room`` has fallen."""

MUTATIONS = {
    "leaves before its commit": ("(committed != taken)", "(put != taken)"),
    "word with the mark left behind": ("marked.eq(next_put)", "marked.eq(put)"),
    "committed beyond the mark": ("committed.eq(marked)", "committed.eq(next_put)"),
    "nothing forgotten": ("with m.If(self.rollback):", "with m.If(0):"),
    "too much forgotten": ("put.eq(committed)", "put.eq(taken)"),
    "room to the last word": ("self._depth - _ON_THEIR_WAY", "self._depth"),
    "room never back": ("used.eq(put - taken)", "used.eq(put)"),
    "lost on a stall": ("go.eq((~fetched | leave) &", "go.eq("),
}


class Bench:
    """Blocks of words, each committed or rolled back two cycles after its mark; ``sent``: those that must leave.

    Words of the next block come meanwhile; they are forgotten with it. Marks are two cycles apart at least.
    """

    def __init__(self, store, blocks, largest, bad, stalls, seed=1):
        self.dut, self.rng = store(DEPTH), random.Random(seed)
        self.blocks, self.largest, self.bad, self.stalls = blocks, largest, bad, stalls
        self.sent, self.got = [], []

    async def source(self, ctx):
        dut, rng = self.dut, self.rng
        budget, cycle, pause = BEHIND, 0, 0
        block, left, judged = [], rng.randint(1, self.largest), []      # (cycle, words)
        while self.blocks:
            commit = rollback = False
            if judged and judged[0][0] == cycle:
                rollback = rng.random() < self.bad
                commit = not rollback
            if commit:
                self.sent += judged.pop(0)[1]
                self.blocks -= 1
            if rollback:
                block, left, judged = [], rng.randint(1, self.largest), []
            room = ctx.get(dut.room)
            budget = BEHIND if room else budget
            en = left > 0 and cycle >= pause and budget > 0 and not rollback and rng.random() >= self.stalls[0]
            budget -= en and not room
            ctx.set(dut.en, en)
            ctx.set(dut.word, word := rng.getrandbits(128))
            if en:
                block.append(word)
                left -= 1
            # With the last word, or after it when nothing of the end is wanted
            mark = not left and not rollback and (not en or rng.random() < 0.7)
            ctx.set(dut.mark, mark)
            ctx.set(dut.commit, commit)
            ctx.set(dut.rollback, rollback)
            if mark:
                judged.append((cycle + 2, block))
                block, left, pause = [], rng.randint(1, self.largest), cycle + 2
            await ctx.tick()
            cycle += 1
        for name in ("en", "mark", "commit", "rollback"):
            ctx.set(getattr(dut, name), 0)

    async def sink(self, ctx):
        dut = self.dut
        while self.blocks or len(self.got) < len(self.sent):
            ready = self.rng.random() >= self.stalls[1]
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                self.got.append(ctx.get(dut.o.payload))
                assert len(self.got) <= len(self.sent) and self.got[-1] == self.sent[len(self.got) - 1]
            await ctx.tick()
        for _ in range(10):
            assert not ctx.get(dut.o.valid), "a word too many"
            await ctx.tick()


def check(store, blocks=60, largest=16, bad=0.3, stalls=(0.2, 0.4)):
    bench = Bench(store, blocks, largest, bad, stalls)
    run(bench.dut, bench.source, bench.sink, cycles=40 * blocks + 200)


@pytest.mark.parametrize("stalls", [(0, 0), (0.5, 0.1), (0.0, 0.6), (0.2, 0.4)])
@pytest.mark.parametrize("largest", [1, 16])
def test_committed_words_leave(largest, stalls):
    check(Store, largest=largest, stalls=stalls)


def test_latency():
    """Three cycles from a commit to its first word."""
    dut = Store(DEPTH)

    async def bench(ctx):
        ctx.set(dut.word, 7)
        for name in ("en", "mark"):
            ctx.set(getattr(dut, name), 1)
        await ctx.tick()
        for name in ("en", "mark"):
            ctx.set(getattr(dut, name), 0)
        ctx.set(dut.commit, 1)
        for _ in range(3):
            assert not ctx.get(dut.o.valid)
            await ctx.tick()
            ctx.set(dut.commit, 0)
        assert ctx.get(dut.o.valid) and ctx.get(dut.o.payload) == 7

    run(dut, bench, cycles=10)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_store_is_caught(name):
    broken = mutate("dojang_hdl.guard.store", *MUTATIONS[name]).Store
    with pytest.raises(AssertionError):
        check(broken)
        check(broken, stalls=(0.1, 0.7))
