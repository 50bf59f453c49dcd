"""What the next word of a plane stream is, and which row goes when."""

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa import Code
from ..window_code import CODES

__all__ = ["RowSequencer"]

QUAD = 4
"""Rows of a mask word; a product has a multiple of them."""


class RowSequencer(wiring.Component):
    """Walks blocks, their warm-up parts and rows; a row a cycle while words arrive and ``advance`` is high.

    A mask word, or a word of fifth bits, is taken together with a row that needs no word if there is one in front of
    it, else in a cycle of its own. Of PLAIN the words are counted.

    Parameters
    ----------
    lanes: rows of a unit.
    codes: the window codes there are.

    Members
    -------
    start: pulse while idle; code to bits must stay until all rows are decoded.
    code, masked, rows, blocks, bits: as `WindowDecoder` has them.
    valid: there is a word.
    room: PLAIN may take a word.
    advance: a row may go.
    ready: the word is taken if there is one. Depends on ``room``, ``advance`` and registers.
    plain: the words are PLAIN's.
    to_mask, to_fifth: the word is one of masks, or of fifth bits (X2.5).
    row: a row goes.
    direct: with ``row``: the word is its symbol's.
    phase: the row's number within eight of its part.
    weights, ends: with ``row``: not of the warm-up part; the last row of a unit.
    active_code: of the command, one bit each in the order of `Code`; zero before the first one.
    """

    def __init__(self, lanes: int, codes: frozenset[Code]):
        self._lanes, self._codes = lanes, codes
        super().__init__({
            "start": In(1), "code": In(3), "masked": In(1), "rows": In(16), "blocks": In(18), "bits": In(4),
            "valid": In(1), "room": In(1), "advance": In(1), "ready": Out(1), "plain": Out(1),
            "to_mask": Out(1), "to_fifth": Out(1), "row": Out(1), "direct": Out(1), "phase": Out(3),
            "weights": Out(1), "ends": Out(1), "active_code": Out(len(Code)),
        })

    def elaborate(self, platform):
        m = Module()
        is_code: dict[Code, Value] = {code: self.active_code[code] if code in self._codes else Const(0, 1)
                                      for code in CODES}
        words = Signal(4)                            # left of these rows' planes
        quads, last_quad = Signal(14), Signal()      # left in the block
        blocks, last_block = Signal(18), Signal()
        active, coded = Signal(), Signal()
        warm_up = Signal()
        no_mask, no_fifth = Signal(), Signal()       # what the next row needs has not come
        m.d.comb += [self.plain.eq(active & ~coded), self.weights.eq(~warm_up)]

        odd, quad_end = self.phase[0], self.phase[:2] == QUAD - 1
        warm_up_end = Signal()
        for code, flag in is_code.items():
            steps = CODES[code].lead * CODES[code].steps_rows
            with m.If(flag & (self.phase == steps - 1)):
                m.d.comb += warm_up_end.eq(1)
        part_end = Signal()
        mask_next, fifth_next = Signal(), Signal()   # the row after this one begins with it
        m.d.comb += [
            part_end.eq(Mux(warm_up, warm_up_end, quad_end & last_quad)),
            mask_next.eq(self.masked & Mux(warm_up, warm_up_end, quad_end & ~last_quad)),
            fifth_next.eq(is_code[Code.X2_5] & Mux(part_end, warm_up | ~last_block, ~warm_up & (self.phase == 7))),
            self.direct.eq(~(((is_code[Code.X2] | is_code[Code.X2_5]) & odd) | (is_code[Code.X3] & quad_end))),
        ]

        lacking = no_mask | no_fifth
        due = Signal()
        m.d.comb += [
            due.eq(active & coded & self.advance & ~lacking),
            self.row.eq(due & (~self.direct | self.valid)),
            self.ready.eq(Mux(self.plain, self.room, due & (self.direct | mask_next | fifth_next)
                              | active & lacking)),
            self.to_mask.eq(Mux(lacking, no_mask, mask_next)),
            self.to_fifth.eq(Mux(lacking, ~no_mask, ~mask_next & fifth_next)),
            self.ends.eq(self.phase[:2] | Const(QUAD - self._lanes, 2) == QUAD - 1),
        ]
        taken = self.valid & self.ready
        with m.If(self.row):
            early = taken & ~self.direct
            m.d.sync += [
                self.phase.eq(Mux(part_end, 0, self.phase + 1)),
                no_mask.eq(mask_next & ~early), no_fifth.eq(fifth_next & ~(early & ~mask_next)),
            ]
            with m.If(part_end):
                m.d.sync += warm_up.eq(~warm_up)
        with m.Elif(taken):
            m.d.sync += no_mask.eq(0)
            with m.If(~no_mask):
                m.d.sync += no_fifth.eq(0)

        word_end = Signal()
        m.d.comb += word_end.eq(words == 1)
        with m.If(taken & self.plain):
            m.d.sync += words.eq(Mux(word_end, self.bits, words - 1))
        with m.If(Mux(coded, self.row & ~warm_up & quad_end, taken & self.plain & word_end)):
            m.d.sync += [quads.eq(quads - 1), last_quad.eq(quads == 2)]
            with m.If(last_quad):
                m.d.sync += [quads.eq(self.rows[2:]), last_quad.eq(self.rows[2:] == 1),
                             blocks.eq(blocks - 1), last_block.eq(blocks == 2), active.eq(~last_block)]
        with m.If(self.start):
            m.d.sync += [
                active.eq(1), coded.eq(self.code != Code.PLAIN), warm_up.eq(self.code != Code.PLAIN), self.phase.eq(0),
                no_mask.eq(0), no_fifth.eq(self.code == Code.X2_5), words.eq(self.bits),
                quads.eq(self.rows[2:]), last_quad.eq(self.rows[2:] == 1),
                blocks.eq(self.blocks), last_block.eq(self.blocks == 1),
                *(self.active_code[code].eq(self.code == code) for code in self._codes),
            ]
        return m
