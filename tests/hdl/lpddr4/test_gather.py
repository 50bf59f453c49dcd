"""Gathered writes: their effect on a memory, which accesses they become, and what is said to be pending."""

import random
from collections import Counter, deque

import pytest
from dojang_hdl.lpddr4.gather import MOST_BURSTS, QUIET_CYCLES, WriteGather
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

FULL = 0xFFFF
SLOTS = 64

MUTATIONS = {
    "missing half left as it was": ("m.d.comb += self.place.mask.eq(self.word.payload.mask)",
                                    "m.d.comb += []\n        m.d.comb += self.place.mask.eq(self.word.payload.mask)"),
    "first half's mask forgotten": ("burst.masked.eq(~(used & whole))", "burst.masked.eq(~used)"),
    "second half's mask forgotten": ("ended.masked.eq(burst.masked | ~(used & whole))",
                                     "ended.masked.eq(burst.masked)"),
    "another row joined": ("(Cat(piece.bank, piece.row) == Cat(burst.bank, burst.row))", "(piece.bank == burst.bank)"),
    "another bank joined": ("(Cat(piece.bank, piece.row) == Cat(burst.bank, burst.row))", "(piece.row == burst.row)"),
    "a gap joined": ("(piece.word[1:] == burst.burst + 1)", "(piece.word[1:] >= burst.burst + 1)"),
    "the burst before last extended": ("ended_adjoins.eq(adjoins)", "ended_adjoins.eq(1)"),
    "masked and whole joined": ("& (ended.masked == group.masked)", ""),
    "longer than allowed": ("& (count != MOST_BURSTS)", ""),
    "words of any burst joined": ("== Cat(piece.bank, piece.row, piece.word[1:]))", ">= 0)"),
    "first halves joined": (" & following.word[0])", ")"),
    "halves never joined": ("burst.row.eq(piece.row), same.eq(1)", "burst.row.eq(piece.row), same.eq(0)"),
    "wrong slot": ("ended_slot.eq(self.slot)", "ended_slot.eq(self.slot + 1)"),
    "room not asked for": ("with m.If(active & self.room):", "with m.If(active):"),
    "burst lost on a stall": ("free.eq(~has_ended | merge)", "free.eq(1)"),
    "flush ignored": ("closing.eq(~active & (self.flush | ", "closing.eq(~active & ("),
    "never sent": ("(self.flush | (quiet == QUIET_CYCLES))", "self.flush"),
    "sent at once": ("(self.flush | (quiet == QUIET_CYCLES))", "1"),
    "pending after it has left": ("(grouped & ~leaves, group)", "(grouped, group)"),
    "piece not pending": ("held[index] | active & (piece.bank == index)", "held[index]"),
    "half a burst not pending": ("(filling, burst), ", ""),
    "whole burst not pending": ("(has_ended, ended), ", ""),
    "gathered access not pending": (", (grouped & ~leaves, group))", ",)"),
}


class Bench:
    """Pieces and words in, write buffer and banks of plain Python out.

    ``pieces``: (bank, row, word, masks), a mask for each of its words. ``gaps``: probability that the next piece comes
    some cycles later, ``drain``: that a slot whose access has left becomes free in a cycle.
    ``accesses``: (cycle, bank, row, burst, bursts, masked) in the order they leave.
    """

    def __init__(self, gather, pieces, rng, *, gaps=0.0, stall=0.0, flush=0.0, drain=1.0):
        self.dut, self.rng, self.stall, self.flush, self.gaps = gather(SLOTS.bit_length()), rng, stall, flush, gaps
        self.pieces, self.drain = pieces, drain
        self.accesses = []
        self.memory, self.expected = {}, {}     # (bank, row, word, byte): value
        self.cycle = 0
        self._words = deque()       # of accepted pieces: (address, data, mask), not yet used
        self._offered = None
        self._slots, self._next, self._oldest, self._free = {}, 0, 0, SLOTS
        self._pending = Counter()   # words of accepted pieces by bank, until their access has left
        self._partial = 0           # words in the slot that is being filled

    async def bench(self, ctx):
        dut, rng = self.dut, self.rng
        todo = deque(self.pieces)
        wait = 0
        while todo or self._pending.total():
            assert ctx.get(dut.pending) == sum(1 << bank for bank, count in self._pending.items() if count)
            wait = max(wait - 1, 0)
            ctx.set(dut.piece.valid, bool(todo) and not wait)
            if todo:
                bank, row, word, masks = todo[0]
                ctx.set(dut.piece.payload, {"write": 1, "bank": bank, "row": row, "word": word, "words": len(masks)})
            self._offered = self._offered or (bool(self._words) and rng.random() >= self.stall)
            ctx.set(dut.word.valid, bool(self._offered))
            if self._words:
                ctx.set(dut.word.payload, {"data": self._words[0][1], "mask": self._words[0][2]})
            self._free += self._free < self._oldest + SLOTS and rng.random() < self.drain
            ctx.set(dut.room, self._next < self._free)
            ctx.set(dut.slot, self._next % (2 * SLOTS))
            ctx.set(dut.flush, rng.random() < self.flush)
            ctx.set(dut.o.ready, rng.random() >= self.stall)
            self._store(ctx)
            if ctx.get(dut.piece.valid) and ctx.get(dut.piece.ready):
                self._accept(*todo.popleft())
                wait = rng.randrange(1, 20) if rng.random() < self.gaps else 0
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                self._leave(ctx.get(dut.bank), ctx.get(dut.o.payload))
            await ctx.tick()
            self.cycle += 1
        assert self.memory == self.expected

    def _accept(self, bank, row, word, masks):
        self._pending[bank] += len(masks)
        for index, mask in enumerate(masks):
            data = self.rng.getrandbits(128)
            self._words.append(((bank, row, word + index), data, mask))
            self._apply(self.expected, (bank, row, word + index), data, mask)

    @staticmethod
    def _apply(memory, address, data, mask):
        memory.update({(*address, byte): data >> 8 * byte & 0xFF for byte in range(16) if mask >> byte & 1})

    def _store(self, ctx):
        dut = self.dut
        if ctx.get(dut.en):
            assert self._next < self._free, "a word is written and there is no room"
            place = ctx.get(dut.place)
            self._slots.setdefault(self._next % SLOTS, {})[ctx.get(dut.half)] = place.data, place.mask
        if ctx.get(dut.word.valid) and ctx.get(dut.word.ready):
            self._words.popleft()
            self._offered = None
            self._partial += 1
        if ctx.get(dut.take):
            assert len(self._slots[self._next % SLOTS]) == 2, "a slot is given out with a half missing"
            self._slots[self._next % SLOTS]["words"], self._partial = self._partial, 0
            self._next += 1

    def _leave(self, bank, access):
        assert access.write and 1 <= access.bursts <= MOST_BURSTS and access.burst + access.bursts <= 64
        self.accesses.append((self.cycle, bank, access.row, access.burst, access.bursts, access.masked))
        for index in range(access.bursts):
            assert (access.slot + index) % (2 * SLOTS) == self._oldest % (2 * SLOTS), "slots are used in order"
            assert self._oldest < self._next, "the access holds a slot that has not been given out"
            slot = self._slots.pop(self._oldest % SLOTS)
            self._oldest += 1
            self._pending[bank] -= slot["words"]
            assert access.masked == any(slot[half][1] != FULL for half in range(2))
            for half in range(2):
                self._apply(self.memory, (bank, access.row, 2 * (access.burst + index) + half), *slot[half])


def random_pieces(rng, count):
    """Runs of neighbouring pieces, often cut, in few rows."""
    pieces, here = [], (0, 0, 0)
    for _ in range(count):
        bank, row, word = here
        if rng.random() < 0.5 or word >= 128:
            bank, row = rng.choice((0, 7)), rng.randrange(2)
            word = rng.choice((0, 1, 62, 63, 126, 127, rng.randrange(128)))
        length = min(rng.choice((1, 1, 2, 3, 8, 70)), 128 - word)
        pieces.append((bank, row, word, [FULL if rng.random() < 0.8 else rng.getrandbits(16) for _ in range(length)]))
        here = bank, row, word + length
    return pieces


def gathered(pieces, gather=WriteGather, seed=1, cycles=6000, **options):
    """The bench after it has run ``pieces``."""
    bench = Bench(gather, pieces, random.Random(seed), **options)
    run(bench.dut, bench.bench, cycles=cycles)
    return bench


def shapes(bench):
    return [access[1:] for access in bench.accesses]


@pytest.mark.parametrize("stall", [0.0, 0.5])
@pytest.mark.parametrize("flush", [0.0, 0.05])
def test_random_pieces(stall, flush):
    pieces = random_pieces(random.Random(8), 50)
    gathered(pieces, gaps=0.3, stall=stall, flush=flush)


def test_neighbours_become_one_access(gather=WriteGather):
    """Pieces of one word, of which the first and the last are half a burst, up to the most of an access."""
    pieces = [(5, 9, word, [FULL]) for word in range(3, 3 + 2 * MOST_BURSTS + 20)]
    assert shapes(gathered(pieces, gather)) == [
        (5, 9, 1, 1, 1), (5, 9, 2, MOST_BURSTS, 0), (5, 9, 2 + MOST_BURSTS, 9, 0), (5, 9, 11 + MOST_BURSTS, 1, 1)]


def test_what_is_not_joined(gather=WriteGather):
    """Another row or bank with the same burst next, a gap, the burst before, a mask in one half, a half once more."""
    whole = [FULL, FULL]
    pieces = [(1, 2, 0, whole), (1, 3, 2, whole), (2, 3, 4, whole), (2, 3, 8, whole), (2, 3, 6, whole),
              (2, 3, 8, [FULL, 1]), (2, 3, 10, [1, FULL]), (2, 3, 12, whole), (2, 3, 15, [FULL]), (2, 3, 14, [FULL]),
              (2, 3, 20, [FULL]), (2, 3, 20, [FULL])]
    assert shapes(gathered(pieces, gather)) == [
        (1, 2, 0, 1, 0), (1, 3, 1, 1, 0), (2, 3, 2, 1, 0), (2, 3, 4, 1, 0), (2, 3, 3, 1, 0), (2, 3, 4, 2, 1),
        (2, 3, 6, 1, 0), (2, 3, 7, 1, 1), (2, 3, 7, 1, 1), (2, 3, 10, 1, 1), (2, 3, 10, 1, 1)]


def test_quiet(gather=WriteGather):
    """What may still grow is kept for a while, a burst as well as half of one."""
    for masks in ([FULL, FULL], [FULL]):
        (sent, *_), = gathered([(0, 0, 0, masks)], gather, cycles=200).accesses
        assert QUIET_CYCLES < sent < QUIET_CYCLES + 10


def test_flush(gather=WriteGather):
    """Sent as soon as the piece is complete, and the piece is not cut."""
    piece = (3, 0, 2, 9 * [FULL])
    bench = gathered([piece], gather, flush=1.0, cycles=200)
    assert shapes(bench) == [(3, 0, 1, 4, 0), (3, 0, 5, 1, 1)] and bench.cycle < 20
    assert shapes(gathered([piece], gather, flush=1.0, stall=0.7, cycles=200)) == shapes(bench)


def test_a_word_a_cycle():
    pieces = [(bank, 0, 0, 128 * [FULL]) for bank in range(4)]
    assert gathered(pieces).accesses[-2][0] <= 4 * 128


def test_no_room(gather=WriteGather):
    gathered([(bank, 0, 1, 127 * [FULL]) for bank in range(2)], gather, drain=0.1)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_gather_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.gather", *MUTATIONS[name]).WriteGather
    with pytest.raises((AssertionError, KeyError)):
        for test in (test_neighbours_become_one_access, test_what_is_not_joined, test_quiet, test_flush, test_no_room):
            test(broken)
        gathered(random_pieces(random.Random(8), 40), broken, gaps=0.3, stall=0.3, cycles=2000)
