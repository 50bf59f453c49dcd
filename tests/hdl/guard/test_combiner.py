"""Gathered clusters: their effect on a memory, when they leave, and what is said to be there."""

import random
from collections import deque

import pytest
from dojang_hdl.guard.combiner import QUIET_CYCLES, Combiner
from dojang_hdl.guard.layout import CLUSTER
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

ENTRIES = 4
FULL = 0xFFFF

MUTATIONS = {
    "mask of the last write only": ("mask.eq(Mux(was_touched, old_mask.data, 0) | found.word.mask)",
                                    "mask.eq(found.word.mask)"),
    "mask of another cluster": ("mask.eq(Mux(was_touched, old_mask.data, 0) | found.word.mask)",
                                "mask.eq(old_mask.data | found.word.mask)"),
    "left with bytes of another cluster": (
        "Mux(Array(touched)[now].bit_select(self.index, 1), look_mask.data, 0)", "look_mask.data"),
    "bytes that were not written": ("put.en.eq(Mux(found_valid, found.word.mask, 0))",
                                   "put.en.eq(Mux(found_valid, 0xFFFF, 0))"),
    "whole too early": ("(complete << written_at)", "(1 << written_at)"),
    "whole for ever": ("touched[i].eq(0),\n                             full[i].eq(0)", "touched[i].eq(0)"),
    "word for a leaving cluster": ("self.i.ready.eq((hits & Cat(open_)).any())", "self.i.ready.eq(hits.any())"),
    "leaves before its last word": (" & ~(found_valid & (entry == soon))", ""),
    "leaves before it is known to be whole": (" & ~(written & (written_to == soon))", ""),
    "the newest makes way": ("oldest.eq(newest + 1)", "oldest.eq(newest)"),
    "flush ignored": ("| self.flush[i] ", ""),
    "never quiet": ("| stale[i] ", ""),
    "stale for ever": ("m.d.sync += [fresh[i].eq(1), stale[i].eq(0)]", "m.d.sync += fresh[i].eq(1)"),
    "stale behind a word that waits": ("with m.If(~waits):", "with m.If(1):"),
    "only when nobody gets words": ("m.d.sync += stale[i].eq(~fresh[i])",
                                    "m.d.sync += stale[i].eq(~fresh[i] & ~Cat(fresh).any())"),
    "never whole": ("(full[i].all() | self.flush[i]", "(self.flush[i]"),
    "words of another": ("look.addr.eq(Cat(self.index, now))", "look.addr.eq(Cat(self.index, soon))"),
    "gone when it is taken": ("with m.If(self.left & (now == i)):", "with m.If(leaving.r_en & (soon == i)):"),
    "another one leaves": ("with m.If(self.left & (now == i)):", "with m.If(self.left & (newest + 1 == i)):"),
    "two of one cluster": ("self.i.valid & ~hits.any() & ~begin", "self.i.valid & ~hits.any()"),
}


class Bench:
    """``writes``: (word address, data, mask), or None for a cycle without one.

    ``hold``: cycles in which none is taken.

    ``left``: (cycle, cluster, whole) in the order they are taken; their words are looked at in another.
    """

    def __init__(self, combiner, writes, *, gaps=0.0, stall=0.0, flush=0.0, hold=0, seed=1):
        self.dut, self.writes, self.rng = combiner(ENTRIES), deque(writes), random.Random(seed)
        self.gaps, self.stall, self.flush, self.hold = gaps, stall, flush, hold
        self.memory, self.expected, self.left = {}, {}, []

    async def bench(self, ctx):
        dut, rng = self.dut, self.rng
        gathered, wait, cycle = {}, 0, 0    # cluster: {word: mask}
        taken, index = [], 0                # (cluster, masks, place), and how many words of the first were asked for
        while self.writes or gathered or taken:
            wait = max(wait - 1, 0)
            if self.writes and not wait and not self.writes[0]:
                self.writes.popleft()
                wait = 1
            offered = bool(self.writes) and not wait
            ctx.set(dut.i.valid, offered)
            if offered:
                addr, data, mask = self.writes[0]
                ctx.set(dut.i.payload, {"addr": addr, "word": {"data": data, "mask": mask}})
            ctx.set(dut.flush, ~0 if rng.random() < self.flush else 0)
            clusters, used = ctx.get(dut.clusters), ctx.get(dut.used)
            there = [clusters[i] for i in range(ENTRIES) if used >> i & 1]
            assert len(set(there)) == len(there), "a cluster is there twice"
            assert {*gathered, *(number for number, *_ in taken)} <= set(there)
            if index:
                self.look(*taken[0][:2], index - 1, ctx.get(dut.word))
            ctx.set(dut.left, index == CLUSTER)
            ctx.set(dut.index, index % CLUSTER)
            ctx.set(dut.entry, taken[0][2] if taken else 0)
            if index == CLUSTER:
                taken.pop(0)
                index = 0
                rng.shuffle(taken)
            elif taken and (index or rng.random() >= self.stall):
                index += 1
            takes = ctx.get(dut.o.valid) and cycle >= self.hold and rng.random() >= self.stall
            ctx.set(dut.o.ready, takes)
            if takes:
                gone = ctx.get(dut.o.payload)
                masks = gathered.pop(gone.cluster)
                assert gone.whole == (masks == dict.fromkeys(range(CLUSTER), FULL))
                taken.append((gone.cluster, masks, gone.entry))
                self.left.append((cycle, gone.cluster, gone.whole))
            if offered and ctx.get(dut.i.ready):
                cluster, word = divmod(addr, CLUSTER)
                masks = gathered.setdefault(cluster, {})
                masks[word] = masks.get(word, 0) | mask
                self.apply(self.expected, addr, data, mask)
                self.writes.popleft()
                wait = rng.choice((2, 40)) if rng.random() < self.gaps else 0
            await ctx.tick()
            cycle += 1
        assert self.memory == self.expected

    def look(self, cluster, masks, index, word):
        assert word.mask == masks.get(index, 0)
        self.apply(self.memory, CLUSTER * cluster + index, word.data, word.mask)

    @staticmethod
    def apply(memory, addr, data, mask):
        memory.update({(addr, byte): data >> 8 * byte & 0xFF for byte in range(16) if mask >> byte & 1})


def mixed(rng, count, writers=3):
    """Runs of words of several writers, one after the other in turn; some bytes only, some twice."""
    runs, found = [[] for _ in range(writers)], []
    while len(found) < count:
        run = rng.choice(runs)
        if not run:
            start = CLUSTER * rng.randrange(12) + rng.choice((0, 0, rng.randrange(CLUSTER)))
            run += range(start, start + rng.choice((1, 3, CLUSTER, CLUSTER, 20)))
        mask = FULL if rng.random() < 0.8 else rng.getrandbits(16)
        found.append((run[0], rng.getrandbits(128), mask))
        if mask == FULL or rng.random() < 0.5:
            run.pop(0)
    return found


def combined(writes, combiner=Combiner, cycles=3000, **options):
    bench = Bench(combiner, writes, **options)
    run(bench.dut, bench.bench, cycles=cycles)
    return bench.left


def cluster(number, words=range(CLUSTER), mask=FULL):
    return [(CLUSTER * number + word, word, mask) for word in words]


def random_traffic(combiner, count=250):
    for index, options in enumerate(({}, {"gaps": 0.1, "stall": 0.8}, {"gaps": 0.05, "stall": 0.3, "flush": 0.05})):
        combined(mixed(random.Random(index), count), combiner, seed=index, **options)


def written_whole(combiner):
    """As many clusters as there are entries, word by word in turn, stay undisturbed; each leaves at once."""
    left = combined([write for word in range(CLUSTER) for number in range(ENTRIES)
                     for write in cluster(10 + number, [word])], combiner)
    # Two cycles for each entry that is taken, one for each word; the first is whole with the fourth last word, which is
    # known a cycle later.
    last = 2 * ENTRIES + ENTRIES * CLUSTER
    assert left == [(last + number, 10 + number, 1) for number in range(ENTRIES)]


def oldest_makes_way(combiner):
    left = combined([write for number in range(ENTRIES + 2) for write in cluster(number, [0, 5])], combiner)
    assert [gone[1:] for gone in left[:2]] == [(0, 0), (1, 0)]
    assert sorted(gone[1] for gone in left[2:]) == [2, 3, 4, 5]
    assert left[0][0] < left[1][0] < left[2][0] - QUIET_CYCLES + 5, "two made way, the others were quiet"


def waits_for_a_leaving_cluster(combiner):
    """A word for it waits; it is gathered anew afterwards."""
    left = combined([*cluster(3), None, None, None, *cluster(3, [1])], combiner, stall=0.9)
    assert [gone[1:] for gone in left] == [(3, 1), (3, 0)]


def leaves_when_quiet(combiner):
    (when, *gone), = combined(cluster(5, [2]), combiner)
    assert gone == [5, 0] and QUIET_CYCLES < when < 2 * QUIET_CYCLES + 5


def leaves_when_others_get_words(combiner):
    """One that gets none does not stay for those that do."""
    words = [write for _ in range(20) for write in cluster(7, range(CLUSTER), 1)]
    left = combined([*cluster(5, [2]), *words], combiner)
    assert [gone[1:] for gone in left] == [(5, 0), (7, 0)] and left[0][0] < 2 * QUIET_CYCLES + 5


def stays_while_a_word_waits(combiner):
    """Two whose next words are behind a word without a place are whole in the end."""
    words = [write for word in range(CLUSTER) for number in (1, 2) for write in cluster(number, [word])]
    others = [*cluster(8, [0]), *cluster(9, [0]), *[None] * (2 * QUIET_CYCLES)]
    left = combined([*others, *words[:6], *cluster(3), *words[6:]], combiner, hold=300)
    assert left[:2] == [(300, 8, 0), (301, 9, 0)] and sorted(gone[1:] for gone in left[2:]) == [(1, 1), (2, 1), (3, 1)]


def leaves_on_flush(combiner):
    (when, *_), = combined(cluster(5, [2]), combiner, flush=1.0)
    assert when == 4 + 1   # the word is written, and looked at


CHECKS = (written_whole, oldest_makes_way, waits_for_a_leaving_cluster, leaves_when_quiet, leaves_on_flush,
          leaves_when_others_get_words, stays_while_a_word_waits, random_traffic)


@pytest.mark.parametrize("check", CHECKS)
def test_combiner(check):
    check(Combiner)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_combiner_is_caught(name):
    broken = mutate("dojang_hdl.guard.combiner", *MUTATIONS[name]).Combiner
    with pytest.raises((AssertionError, KeyError)):
        for check in CHECKS:
            check(broken)
