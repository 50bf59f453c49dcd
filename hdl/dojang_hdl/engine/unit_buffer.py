"""Rows with all their planes to planes of all rows of a unit."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK
from ..isa import Code
from ..window_code import CODES
from .row_decoder import RowDecoder, planes_of
from .row_sequencer import pairs_of

__all__ = ["UnitBuffer"]


class UnitBuffer(wiring.Component):
    """Collects a unit while the one before leaves: a row and a plane a cycle.

    ``advance`` depends on ``o.ready`` and registers. A plane of PLAIN comes as the mask of a unit: there is nothing
    else in it.

    Parameters
    ----------
    lanes: rows of a unit.
    codes: the window codes there are.

    Members
    -------
    active_code, masked: of the command; they stay until the last plane has left.
    planes, i_valid: a row, from `RowDecoder`.
    pair, second: with ``pair`` another one with it, of X2: its planes.
    ends_next: the row is the last of its unit; of PLAIN there is a unit.
    mask: `Gearbox`'s, `RowDecoder.latency` - 1 movements before ``ends_next``.
    advance: the row is taken, if there is one.
    o: planes, lane 0 lowest: those of the command's code from the highest down, then that of the mask if ``masked``.
    """

    def __init__(self, lanes: int, codes: frozenset[Code]):
        self._lanes, self._codes = lanes, codes
        super().__init__({
            "active_code": In(len(Code)), "masked": In(1),
            "i_valid": In(1), "ends_next": In(1), "planes": In(BLOCK * planes_of(codes)),
            "pair": In(1), "second": In(BLOCK * CODES[Code.X2].planes), "mask": In(BLOCK * lanes),
            "advance": Out(1), "o": Out(stream.Signature(BLOCK * lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        count = planes_of(self._codes)                                   # planes in the order they leave
        is_plain = self.active_code[Code.PLAIN]
        rows = self._rows(m)
        unit = [Signal(BLOCK * self._lanes, name=f"plane{k}", init=-(k == count - 1), reset_less=True)
                for k in range(count)]
        slot = Signal(count + 1)                                         # one-hot: the next to leave; the mask is last
        pending, last = Signal(), Signal()                               # there is one; it is the unit's last
        begin = [Cat(self.active_code[code] for code in self._codes if CODES[code].planes == count - skipped).any()
                 for skipped in range(count - 1)]

        moves, ends, complete = Signal(), Signal(), Signal()
        # The decoder's every register hangs on `advance`: as much as possible is known a cycle before.
        blocked, tight = Signal(), Signal()                              # no room for the unit; only if a plane moves
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready), complete.eq(ends & self.advance),
            self.advance.eq(~(blocked | tight & self.o.valid & ~self.o.ready)),
        ]

        def after(stalled: bool) -> Value:
            stops = blocked | tight if stalled else blocked
            ends_next = Mux(stops, ends, self.ends_next)
            pending_next = ends & ~stops | (pending if stalled else pending & ~last)
            last_next = last if stalled else Mux(self.masked, slot[-2], slot[-3])
            return Cat(ends_next, pending_next, last_next, ends_next & pending_next & ~last_next, ends_next & last_next)

        m.d.sync += Cat(ends, pending, last, blocked, tight).eq(
            Mux(self.o.valid & ~self.o.ready, after(True), after(False)))
        with m.If(is_plain):                                             # every plane is a unit's last
            m.d.sync += [last.eq(1), blocked.eq(0), tight.eq(1)]
        with m.If(moves):
            m.d.sync += slot.eq(Mux(last, 0, slot << 1))
        with m.If(complete):
            m.d.sync += slot.eq(Cat(*begin, is_plain))
            m.d.sync += [plane.eq(Cat(row[k] for row in rows)) for k, plane in enumerate(unit)]
        # The mask's own plane is one of ones, masked: the last register's when its plane has left, always with PLAIN.
        with m.If(is_plain | self.masked & moves & slot[-2]):
            m.d.sync += unit[-1].eq(-1)

        delayed = [Signal(BLOCK * self._lanes, name=f"mask{k}", reset_less=True) for k in range(RowDecoder.latency)]
        mask, leaving_mask = Signal.like(self.mask, reset_less=True), Signal.like(self.mask, reset_less=True)
        with m.If(self.advance):
            m.d.sync += Cat(*delayed).eq(Cat(self.mask, *delayed))
        with m.If(complete):
            m.d.sync += mask.eq(delayed[-1])

        # What does not leave is zero: an or is enough, and one gate masks all planes.
        leaves = [*slot[:-2], slot[-2] | slot[-1]]
        leaving = [Signal.like(plane, name=f"leaving{k}", reset_less=True, init=0) for k, plane in enumerate(unit)]
        with m.If(moves):
            m.d.sync += [out.eq(Mux(leaves[k], unit[k], 0)) for k, out in enumerate(leaving)]
            m.d.sync += [leaving_mask.eq(mask), self.o.valid.eq(pending)]
        m.d.comb += self.o.payload.eq(reduce(or_, leaving) & leaving_mask)
        return m

    def _rows(self, m) -> list[list[Value]]:
        """The rows of a unit, each its planes from the highest down: whole a movement after the last row came."""
        count, low = planes_of(self._codes), CODES[Code.X2].planes
        row = [self.planes.word_select(i, BLOCK) for i in reversed(range(count))]
        odd, pair = row, Const(0, 1)
        if pairs_of(self._lanes, self._codes):
            second = [self.second.word_select(i, BLOCK) for i in reversed(range(low))]
            pair = self.pair if self._codes != {Code.X2} else Const(1, 1)
            odd = [*row[:-low], *(Mux(pair, two, one) for one, two in zip(row[-low:], second, strict=True))]
        turn = Signal(self._lanes, init=1)                               # one-hot: the lane of the next row
        rows = [Signal(BLOCK * count, name=f"row{lane}", reset_less=True) for lane in range(self._lanes)]
        with m.If(self.advance):
            for lane, register in enumerate(rows):
                with m.If(turn[lane] | (pair & turn[lane - 1] if lane % 2 else Const(0, 1))):
                    m.d.sync += register.eq(Cat(*(odd if lane % 2 else row)))
            with m.If(self.i_valid):
                m.d.sync += turn.eq(Mux(pair, turn.rotate_left(2), turn.rotate_left(1)))
        return [[register.word_select(k, BLOCK) for k in range(count)] for register in rows]
