"""INT8 codes to and from bit-planes: the two ways a new position enters the KV cache (see docs/reference/layout.md)."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS, WORD_BITS, WORD_BYTES

__all__ = ["KeyPacker", "MaskedWord", "ValueInserter"]

MaskedWord = data.StructLayout({"data": WORD_BITS, "mask": WORD_BYTES})
"""A memory word and its byte enables."""

PLANES = 8
CODE_WORDS = 8
"""SRAM words that hold the 32 codes of a group."""


class KeyPacker(wiring.Component):
    """Turns the 32 codes of one position into the words of one lane of a K-cache unit.

    Takes 8 SRAM words (four sign-extended codes each) from ``codes``, then gives ``2 * lanes`` words on ``o``
    with the byte enables of lane ``lane``. One group at a time; 8 + 2 * lanes cycles without stalls.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__({
            "codes": In(stream.Signature(WORD_BITS)),
            "lane": In(2),
            "o": Out(stream.Signature(MaskedWord)),
        })

    def elaborate(self, platform):
        m = Module()
        planes = [Signal(32, name=f"plane{k}") for k in range(PLANES)]  # most significant first
        per_word = ELEMENTS // self.lanes
        taken = Signal(range(CODE_WORDS + 1))
        given = Signal(range(2 * self.lanes))

        m.d.comb += [self.codes.ready.eq(taken != CODE_WORDS), self.o.valid.eq(taken == CODE_WORDS)]
        with m.If(self.codes.valid & self.codes.ready):
            m.d.sync += taken.eq(taken + 1)
            for k, plane in enumerate(planes):
                bits = Cat(self.codes.payload.word_select(j, 32)[PLANES - 1 - k] for j in range(ELEMENTS))
                m.d.sync += plane.eq(Cat(plane[ELEMENTS:], bits))

        for j in range(ELEMENTS):
            m.d.comb += [
                self.o.payload.data.word_select(j, 32).eq(planes[j // self.lanes]),
                self.o.payload.mask.word_select(j, 4).eq((self.lane == j % self.lanes).replicate(4)),
            ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += given.eq(given + 1)
            for k in range(PLANES - per_word):
                m.d.sync += planes[k].eq(planes[k + per_word])
            with m.If(given == 2 * self.lanes - 1):
                m.d.sync += [taken.eq(0), given.eq(0)]
        return m


class ValueInserter(wiring.Component):
    """Replaces one position's bits in the words of a V tile that streams through.

    For every SRAM word on ``codes`` (four head elements) eight words of the tile pass from ``i`` to ``o``; in each
    32-bit lane word, bit ``position`` becomes the plane's bit of the element's code. One word per cycle, in the cycle
    in which it is offered.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__({
            "codes": In(stream.Signature(WORD_BITS)),
            "position": In(5),
            "i": In(stream.Signature(WORD_BITS)),
            "o": Out(stream.Signature(MaskedWord)),
        })

    def elaborate(self, platform):
        m = Module()
        words = 2 * ELEMENTS
        at = Signal(range(words))
        per_word = ELEMENTS // self.lanes
        m.d.comb += [
            self.o.valid.eq(self.i.valid & self.codes.valid),
            self.i.ready.eq(self.codes.valid & self.o.ready),
            self.codes.ready.eq(self.i.valid & self.o.ready & (at == words - 1)),
            self.o.payload.mask.eq(~0),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += at.eq(at + 1)
        select = 1 << self.position
        for j in range(ELEMENTS):
            bits = []
            for w in range(words):
                unit, word = divmod(w, 2 * self.lanes)
                plane = PLANES - 1 - (word * per_word + j // self.lanes)
                element = unit * self.lanes + j % self.lanes
                bits.append(self.codes.payload[32 * element + plane])
            old = self.i.payload.word_select(j, 32)
            m.d.comb += self.o.payload.data.word_select(j, 32).eq(
                (old & ~select) | (Cat(bits).bit_select(at, 1).replicate(32) & select))
        return m
