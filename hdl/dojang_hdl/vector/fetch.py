"""Reads the two operands of a vector command."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS, WORD_BITS
from ..isa import Reduce
from ..sram_port import SRAM_LATENCY, SramRead
from .command import VecCommand

__all__ = ["Fetch", "WordFetch"]


class Fetch(wiring.Component):
    """Turns base addresses and a count into pairs of elements, without gaps.

    The first pair appears SRAM_LATENCY + 1 cycles after ``start``. ``x`` and ``y`` come out of a multiplexer: register
    them.

    Members
    -------
    start: latches ``command``; not before the previous last element has appeared, and not with n = 0.
    a, b: SRAM read ports.
    valid, last: an element is there; it is the command's last.
    x, y: element i of a (i ^ 1 with `swap`) and of b.
    """

    start: In(1)
    command: In(VecCommand)
    a: Out(SramRead())
    b: Out(SramRead())
    valid: Out(1)
    last: Out(1)
    x: Out(32)
    y: Out(32)

    def elaborate(self, platform):
        m = Module()
        left = Signal(16)
        swap = Signal()
        lane = Signal(range(ELEMENTS))
        reading = Signal()
        with m.If(self.start):
            m.d.sync += [
                self.a.addr.eq(self.command.a), self.b.addr.eq(self.command.b), left.eq(self.command.n),
                swap.eq(self.command.swap), lane.eq(0), reading.eq(1),
            ]
        with m.Elif(reading):
            m.d.sync += [lane.eq(lane + 1), left.eq(left - 1), reading.eq(left != 1)]
            with m.If(lane == ELEMENTS - 1):
                m.d.sync += [self.a.addr.eq(self.a.addr + 1), self.b.addr.eq(self.b.addr + 1)]

        # What belongs to the address of now, SRAM_LATENCY cycles later; the lanes as one-hot registers.
        tag = _when_read(m, Cat(reading, reading & (left == 1), lane))
        lane_b = tag[2:]
        lane_a = lane_b ^ swap
        m.d.sync += [self.valid.eq(tag[0]), self.last.eq(tag[1])]
        m.d.comb += [self.x.eq(self._element(m, self.a, lane_a)), self.y.eq(self._element(m, self.b, lane_b))]
        return m

    def _element(self, m, port, lane):
        """The element of ``port`` 's word that ``lane`` has chosen the cycle before."""
        chosen = Signal(ELEMENTS)
        m.d.sync += chosen.eq(1 << lane)
        width = WORD_BITS // ELEMENTS
        return reduce(or_, (port.data.word_select(i, width) & chosen[i].replicate(width) for i in range(ELEMENTS)))


class WordFetch(wiring.Component):
    """`Fetch` of pairs of words: one per cycle, to sum one in every second cycle.

    ``valid`` has a bit for each element of a word, from the lowest on; only a command's last word is not full.
    """

    start: In(1)
    command: In(VecCommand)
    a: Out(SramRead())
    b: Out(SramRead())
    valid: Out(ELEMENTS)
    last: Out(1)
    x: Out(WORD_BITS)
    y: Out(WORD_BITS)

    def elaborate(self, platform):
        m = Module()
        left = Signal(16)
        swap, slow = Signal(), Signal()
        reading, pause = Signal(), Signal()
        final = left <= ELEMENTS
        with m.If(self.start):
            m.d.sync += [
                self.a.addr.eq(self.command.a), self.b.addr.eq(self.command.b), left.eq(self.command.n),
                swap.eq(self.command.swap), slow.eq(self.command.reduce == Reduce.SUM), reading.eq(1), pause.eq(0),
            ]
        with m.Elif(reading):
            m.d.sync += pause.eq(slow & ~pause)
            with m.If(~pause):
                m.d.sync += [left.eq(left - ELEMENTS), reading.eq(~final),
                             self.a.addr.eq(self.a.addr + 1), self.b.addr.eq(self.b.addr + 1)]

        now = reading & ~pause
        tag = _when_read(m, Cat(now & final, (now & (~final | (left[:3] > i)) for i in range(ELEMENTS))))
        m.d.sync += Cat(self.last, self.valid).eq(tag)
        m.d.comb += self.y.eq(self.b.data)
        for i in range(ELEMENTS):
            element, other = (self.a.data.word_select(at, 32) for at in (i, i ^ 1))
            m.d.comb += self.x.word_select(i, 32).eq(Mux(swap, other, element))
        return m


def _when_read(m, tag):
    """``tag`` of an address, in the cycle before its data."""
    for i in range(SRAM_LATENCY - 1):
        delayed = Signal(len(tag), name=f"tag{i}")
        m.d.sync += delayed.eq(tag)
        tag = delayed
    return tag
