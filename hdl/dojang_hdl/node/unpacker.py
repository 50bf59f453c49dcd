"""A row of a matrix out of its bit-planes: how a program reads one row of what the engine streams."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, ELEMENTS, WORD_BITS
from ..isa import ROW_BITS

__all__ = ["Unpacker"]

WORDS = BLOCK // ELEMENTS
"""Words given for a group."""

EXPONENT = 150
"""Of an FP32 number whose last place is 1."""


class Unpacker(wiring.Component):
    """Turns the planes of a group's unit of rows into the 32 elements of one of them.

    Takes ``2 * lanes`` words of a signed 8-bit plane stream, then gives 8 words of four elements: the codes plus
    `dojang_hdl.isa.INTEGER_BIAS`, in FP32. One group at a time; 8 + 2 * lanes cycles without stalls.

    Members
    -------
    i: the plane stream. o: the elements.
    lane: the row of the unit; stable while words are taken.
    """

    def __init__(self, lanes: int):
        self.lanes = lanes
        super().__init__({"i": In(stream.Signature(WORD_BITS)), "lane": In(2), "o": Out(stream.Signature(WORD_BITS))})

    def elaborate(self, platform):
        m = Module()
        planes = [Signal(BLOCK, name=f"plane{k}") for k in range(ROW_BITS)]  # most significant first
        per_word = ELEMENTS // self.lanes
        left = Signal(range(2 * self.lanes), init=2 * self.lanes - 1)   # words to come behind this one
        given = Signal(range(WORDS))
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full)]

        # The planes move up by those of a word; the elements move down by those of a word.
        fresh = [self.i.payload.word_select(k * self.lanes, BLOCK) for k in range(per_word)]
        for lane in range(1, self.lanes):
            fresh = [Mux(self.lane == lane, self.i.payload.word_select(k * self.lanes + lane, BLOCK), word)
                     for k, word in enumerate(fresh)]
        with m.If(self.i.valid & ~full):
            m.d.sync += [left.eq(left - 1), full.eq(left == 0)]
            m.d.sync += [plane.eq(above) for plane, above in zip(planes, planes[per_word:] + fresh, strict=True)]
        with m.If(full & self.o.ready):
            m.d.sync += given.eq(given + 1)
            m.d.sync += [plane.eq(plane >> ELEMENTS) for plane in planes]
            with m.If(given == WORDS - 1):
                m.d.sync += [full.eq(0), left.eq(2 * self.lanes - 1)]

        for j in range(ELEMENTS):
            code = Cat(plane[j] for plane in reversed(planes))
            sign = code[-1]
            m.d.comb += self.o.payload.word_select(j, 32).eq(
                Cat(code, sign.replicate(22 - len(code)), ~sign, Const(EXPONENT, 8)))
        return m
