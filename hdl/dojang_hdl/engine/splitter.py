"""Memory words to planes."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, WORD_BITS

__all__ = ["PlaneSplitter"]


class PlaneSplitter(wiring.Component):
    """Cuts words into the planes of units of ``lanes`` rows, lowest bits first; one plane a cycle, no latency.

    ``i.ready`` depends on ``o.ready`` and a register. A word is taken with its last plane; reset begins with the next
    word's first plane.

    Members
    -------
    i, o: words of 128 bits, planes of 32 bits a lane.
    """

    def __init__(self, lanes: int):
        super().__init__({"i": In(stream.Signature(WORD_BITS)), "o": Out(stream.Signature(BLOCK * lanes))})

    def elaborate(self, platform):
        m = Module()
        width = len(self.o.payload)
        planes = WORD_BITS // width  # in a word
        m.d.comb += self.o.valid.eq(self.i.valid)
        if planes == 1:
            m.d.comb += [self.i.ready.eq(self.o.ready), self.o.payload.eq(self.i.payload)]
            return m
        part = Signal(planes, init=1)  # one-hot
        parts = [self.i.payload.word_select(i, width) & part[i].replicate(width) for i in range(planes)]
        m.d.comb += [self.i.ready.eq(self.o.ready & part[-1]), self.o.payload.eq(reduce(or_, parts))]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += part.eq(part.rotate_left(1))
        return m
