"""What the next word of a plane stream is, and which row goes when."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa import Code
from ..window_code import CODES

__all__ = ["QUAD", "RowSequencer", "pairs_of"]

QUAD = 4
"""Rows of a mask word; a product has a multiple of them."""


def pairs_of(lanes: int, codes: frozenset[Code]) -> bool:
    """Whether rows of X2 go in pairs: one a cycle would be slower than their planes leave."""
    return lanes > CODES[Code.X2].planes and Code.X2 in codes


class RowSequencer(wiring.Component):
    """Walks blocks, their warm-up parts and rows; a row a cycle while words arrive.

    The last row of a unit waits for ``room``, and until as many cycles have passed since that of the one before as a
    unit has planes: nothing behind it stops.

    With four lanes two rows of X2 go at once, those of a word: what is said of a row holds for both.

    A mask word, or a word of fifth bits, is taken together with a row that needs no word if there is one in front of
    it, else in a cycle of its own. Of PLAIN the words are counted: each is taken as masks are, and its units go as rows
    without weights, one a cycle.

    Parameters
    ----------
    lanes: rows of a unit.
    codes: the window codes there are.

    Members
    -------
    start: pulse while idle; code to bits must stay until all rows are decoded.
    code, masked, rows, blocks, bits: as `WindowDecoder` has them.
    valid: there is a word.
    room: a unit may end.
    ready: the word is taken if there is one. Depends on ``room`` and registers.
    take_mask, take_fifth: the word is to be kept as one of masks, or of fifth bits (X2.5). Masks of X4, and of pairs,
        are kept twice, and only the second time the right ones.
    row: a row goes.
    pair: two rows do; constant for a command, low before the first one.
    direct: with ``row``: the word is its symbol's.
    phase: the row's number within eight of its part, the first one's of two; of PLAIN the last one's of a unit.
    weights, ends: with ``row``: it has weights; it is the last one of a unit.
    planes: of a unit of the command, from the second cycle after ``start`` on.
    active_code: of the command, one bit each in the order of `Code`; zero before the first one.
    """

    def __init__(self, lanes: int, codes: frozenset[Code]):
        self._lanes, self._codes = lanes, codes
        super().__init__({
            "start": In(1), "code": In(3), "masked": In(1), "rows": In(16), "blocks": In(18), "bits": In(4),
            "valid": In(1), "room": In(1), "ready": Out(1), "planes": Out(3),
            "take_mask": Out(1), "take_fifth": Out(1), "row": Out(1), "direct": Out(1), "phase": Out(3),
            "weights": Out(1), "ends": Out(1), "active_code": Out(len(Code)), "pair": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        is_code: dict[Code, Value] = {code: self.active_code[code] if code in self._codes else Const(0, 1)
                                      for code in CODES}
        single = {**is_code, Code.X2: Const(0, 1)} if pairs_of(self._lanes, self._codes) else is_code
        is_plain = self.active_code[Code.PLAIN]
        plain, free = Signal(), Signal()             # there are words of PLAIN left; one may be taken
        parts_left = Signal()                        # of PLAIN's word, besides the unit that goes
        words = Signal(4)                            # left of these rows' planes
        quads, last_quad = Signal(14), Signal()      # left in the block
        blocks, last_block = Signal(18), Signal()
        go, fetch = Signal(), Signal()               # a row is next; a word that a row needs besides its symbol is
        no_mask, no_fifth = Signal(), Signal()       # with ``fetch``: one of masks comes first; one of fifth bits too
        # What the next row is, ready in registers: everything that moves hangs on it.
        warm_up, warm_up_end, quad_end = Signal(), Signal(), Signal()

        block_end = Signal()
        mask_next, fifth_next = Signal(), Signal()   # the row after this one begins with it
        unit_end, word_end = Signal(), Signal()
        advance = Signal()                           # nothing keeps the next row back but its word
        wait = Signal(max(CODES[code].planes for code in self._codes))   # as many ones as cycles until a unit may end
        m.d.comb += [
            unit_end.eq(quad_end if self._lanes == QUAD else
                        ~warm_up & (self.phase[:2] | Const(QUAD - self._lanes, 2) == QUAD - 1)),
            parts_left.eq(go & (self.phase[:2] != QUAD - 1) if self._lanes < QUAD else 0), free.eq(plain & ~parts_left),
            self.pair.eq(is_code[Code.X2] & ~single[Code.X2]),
            block_end.eq(quad_end & last_quad),
            mask_next.eq(self.masked & (warm_up_end | quad_end & ~last_quad)),
            fifth_next.eq(is_code[Code.X2_5] & (
                warm_up_end | quad_end & Mux(last_quad, ~last_block, self.phase[2]))),
            self.row.eq(go & advance & (~self.direct | self.valid)),
            self.ready.eq(fetch | advance & (free | go & (self.direct | mask_next | fifth_next))),
            self.take_mask.eq(self.valid & (fetch & no_mask | advance & (free | go & mask_next))),
            self.take_fifth.eq(self.valid & (fetch & ~no_mask | go & advance & fifth_next & ~mask_next)),
            self.weights.eq(~warm_up), self.ends.eq(unit_end | is_plain),
            advance.eq(~self.ends | self.room & ~wait[0]),
        ]
        of_code = reduce(or_, (Mux(self.active_code[code], CODES[code].planes, 0) for code in self._codes))
        m.d.sync += [self.planes.eq(Mux(is_plain, 1, of_code + self.masked)), wait.eq(wait >> 1)]
        with m.If(self.row & self.ends):
            m.d.sync += wait.eq(Cat(self.planes > k + 1 for k in range(len(wait))))
        taken = self.valid & self.ready
        early = taken & ~self.direct
        mask_left, fifth_left = mask_next & ~early, fifth_next & ~(early & ~mask_next)
        near_end = Cat(flag & (self.phase == CODES[code].lead * CODES[code].steps_rows - 2)
                       for code, flag in single.items()).any()
        near_end |= self.pair & (self.phase == CODES[Code.X2].lead - 4)
        with m.If(is_plain):
            with m.If(advance):
                m.d.sync += go.eq(free & self.valid | parts_left)
            if self._lanes < QUAD:
                with m.If(self.row):
                    m.d.sync += self.phase.eq(self.phase + self._lanes)
        with m.Elif(self.row):
            m.d.sync += [
                self.phase.eq(Mux(warm_up_end | block_end, 0, self.phase + Mux(self.pair, 2, 1))),
                self.direct.eq(~((single[Code.X2] | is_code[Code.X2_5]) & ~self.phase[0]
                                 | is_code[Code.X3] & (self.phase[:2] == QUAD - 2))),
                warm_up_end.eq(warm_up & near_end),
                quad_end.eq(~warm_up & (self.phase[:2] == Mux(self.pair, 0, QUAD - 2))),
                warm_up.eq(Mux(warm_up, ~warm_up_end, block_end)),
                no_mask.eq(mask_left), no_fifth.eq(fifth_left), fetch.eq(mask_left | fifth_left),
                go.eq(~(mask_left | fifth_left | block_end & last_block)),
            ]
        with m.If(fetch & self.valid):
            m.d.sync += [no_mask.eq(0), fetch.eq(no_mask & no_fifth), go.eq(~(no_mask & no_fifth))]

        taken_plain = self.valid & advance & free
        m.d.comb += word_end.eq(words == 1)
        with m.If(taken_plain):
            m.d.sync += words.eq(Mux(word_end, self.bits, words - 1))
        # Counted a cycle late; of what must be known at once a bit is enough.
        quad_goes, quad_went, block_went = Signal(), Signal(), Signal()
        of_block = self.rows[2:]
        m.d.comb += quad_goes.eq(self.row & quad_end | taken_plain & word_end)
        m.d.sync += [quad_went.eq(quad_goes), block_went.eq(quad_goes & last_quad)]
        with m.If(quad_goes):
            before_last = Mux(quad_went, Mux(block_went, of_block == 2, quads == 3), quads == 2)
            m.d.sync += last_quad.eq(Mux(last_quad, of_block == 1, before_last))
            with m.If(last_quad):
                m.d.sync += last_block.eq(Mux(block_went, blocks == 3, blocks == 2))
        with m.If(quad_went):
            m.d.sync += quads.eq(Mux(block_went, of_block, quads - 1))
        with m.If(block_went):
            m.d.sync += blocks.eq(blocks - 1)
        with m.If(taken_plain & (word_end & last_quad & last_block)):
            m.d.sync += plain.eq(0)
        with m.If(self.start):
            m.d.sync += [
                plain.eq(self.code == Code.PLAIN),
                go.eq((self.code != Code.PLAIN) & (self.code != Code.X2_5)), fetch.eq(self.code == Code.X2_5),
                no_mask.eq(0), warm_up.eq(1), warm_up_end.eq(0), quad_end.eq(0),
                self.direct.eq(self.code != Code.PLAIN),
                self.phase.eq(Mux(self.code == Code.PLAIN, self._lanes - 1, 0)), words.eq(self.bits),
                quads.eq(of_block), last_quad.eq(of_block == 1),
                blocks.eq(self.blocks), last_block.eq(self.blocks == 1),
                *(self.active_code[code].eq(self.code == code) for code in (Code.PLAIN, *self._codes)),
            ]
        return m
