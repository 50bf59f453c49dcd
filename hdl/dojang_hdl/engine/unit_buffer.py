"""Rows with all their planes to planes of all rows of a unit."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK
from ..isa import Code
from ..window_code import CODES
from .row_decoder import planes_of
from .row_sequencer import pairs_of

__all__ = ["UnitBuffer"]


class UnitBuffer(wiring.Component):
    """Collects a unit while the one before leaves: a row and a plane a cycle.

    ``advance`` and ``plain.ready`` depend on ``o.ready`` and registers.

    Parameters
    ----------
    lanes: rows of a unit.
    codes: the window codes there are.

    Members
    -------
    active_code, masked: of the command; they stay until the last plane has left.
    planes, mask_plane, i_valid: a row, from `RowDecoder`.
    pair, second: with ``pair`` another one with it, of X2 without masks: its planes.
    ends_next: the row after it is the last of its unit.
    advance: the row is taken, if there is one.
    plain: planes that are passed on; none while there are rows.
    o: planes, lane 0 lowest: those of the command's code from the highest down, then that of the mask if ``masked``.
    """

    def __init__(self, lanes: int, codes: frozenset[Code]):
        self._lanes, self._codes = lanes, codes
        super().__init__({
            "active_code": In(len(Code)), "masked": In(1),
            "i_valid": In(1), "ends_next": In(1), "planes": In(BLOCK * planes_of(codes)), "mask_plane": In(BLOCK),
            "pair": In(1), "second": In(BLOCK * CODES[Code.X2].planes),
            "advance": Out(1), "plain": In(stream.Signature(BLOCK * lanes)), "o": Out(stream.Signature(BLOCK * lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        count = planes_of(self._codes)
        slots = count + 1                                                # planes in the order they leave
        row = [*(self.planes.word_select(i, BLOCK) for i in reversed(range(count))), self.mask_plane]
        earlier = [Signal(BLOCK * slots, name=f"row{lane}", reset_less=True) for lane in range(self._lanes - 1)]
        rows = [*earlier, Cat(*row)]
        unit = [Signal(BLOCK * self._lanes, name=f"plane{slot}", reset_less=True) for slot in range(slots)]
        slot = Signal(slots)                                             # one-hot: the next plane to leave
        pending, last = Signal(), Signal()                               # there is one; it is the unit's last
        begin = [Cat(self.active_code[code] for code in self._codes if CODES[code].planes == count - skipped).any()
                 for skipped in range(count)]

        turn = Signal(CODES[Code.X2].planes)                             # one-hot, of units that come in pairs
        moves, ends = Signal(), Signal()
        # The decoder's every register hangs on `advance`: as much as possible is known a cycle before.
        blocked, tight = Signal(), Signal()                              # no room for the unit; only if a plane moves
        complete = Signal()
        pending_next, last_next, ends_next = Signal(), Signal(), Signal()
        m.d.comb += [
            moves.eq(~self.o.valid | self.o.ready), self.plain.ready.eq(moves),
            self.advance.eq(~(blocked | tight & self.o.valid & ~self.o.ready)),
            complete.eq(ends & self.advance), ends_next.eq(Mux(self.advance, self.ends_next, ends)),
            pending_next.eq(complete | pending & ~(last & moves)),
            last_next.eq(Mux(moves, Mux(self.masked, slot[-2], slot[-3]) | turn[-2], last)),
        ]
        m.d.sync += [ends.eq(ends_next), pending.eq(pending_next), last.eq(last_next),
                     blocked.eq(ends_next & pending_next & ~last_next), tight.eq(ends_next & last_next)]
        with m.If(self.i_valid & self.advance):
            m.d.sync += [word.eq(following) for word, following in zip(earlier, rows[1:], strict=True)]
        with m.If(moves):
            m.d.sync += slot.eq(Mux(last, 0, slot << 1))
        with m.If(complete):
            m.d.sync += slot.eq(Cat(*begin))
            m.d.sync += [plane.eq(Cat(word.word_select(k, BLOCK) for word in rows)) for k, plane in enumerate(unit)]

        pairs = self._pairs(m, row, earlier, complete, turn) if pairs_of(self._lanes, self._codes) else []
        with m.If(moves):
            m.d.sync += turn.eq(turn << 1)
        with m.If(complete):
            m.d.sync += turn.eq(self.pair)

        # What does not leave is zero: an or is enough.
        unit, slot = [*unit, *pairs], Cat(slot, turn)
        leaving = [Signal.like(plane, name=f"leaving{k}", reset_less=True) for k, plane in enumerate(unit)]
        passing = Signal.like(self.plain.payload, reset_less=True)
        with m.If(moves):
            m.d.sync += [out.eq(Mux(slot[k], unit[k], 0)) for k, out in enumerate(leaving)]
            m.d.sync += [passing.eq(Mux(self.plain.valid, self.plain.payload, 0)),
                         self.o.valid.eq(pending | self.plain.valid)]
        m.d.comb += self.o.payload.eq(reduce(or_, (*leaving, passing)))
        return m

    def _pairs(self, m, row, earlier, complete, turn) -> list[Signal]:
        """The planes of a unit of two pairs."""
        before = Signal.like(self.second, reset_less=True)
        with m.If(self.i_valid & self.advance):
            m.d.sync += before.eq(self.second)
        places = list(reversed(range(len(turn))))
        unit = [Signal(BLOCK * self._lanes, name=f"paired{place}", reset_less=True) for place in places]
        # Planes are in the order they leave, the highest first, and the last of a row's are those of X2.
        with m.If(complete):
            for place, plane in zip(places, unit, strict=True):
                at = len(row) - 2 - place
                m.d.sync += plane.eq(Cat(earlier[-1].word_select(at, BLOCK), before.word_select(place, BLOCK),
                                         row[at], self.second.word_select(place, BLOCK)))
        return unit
