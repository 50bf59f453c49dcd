"""Reads the two operands of a vector command, one element per cycle."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS, WORD_BITS
from ..sram_port import SRAM_LATENCY, SramRead
from .command import VecCommand

__all__ = ["Fetch"]


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
        tag = Cat(reading, reading & (left == 1), lane)
        for i in range(SRAM_LATENCY - 1):
            delayed = Signal(len(tag), name=f"tag{i}")
            m.d.sync += delayed.eq(tag)
            tag = delayed
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
