"""`Reduce.MAX` and `Reduce.MAXABS`."""

from functools import reduce
from operator import and_, or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS

__all__ = ["Extremum", "WordExtremum"]

_INFINITY = 0x7F800000
_SIGN = 1 << 31


def _ordered(z, absolute):
    """The value that ``z`` counts as, a key that orders values as an unsigned number, and whether it is a NaN.

    Both zeros have the same key; none has key 0.
    """
    exponent, fraction = z[23:31], z[:23]
    magnitude = Mux(exponent == 0, 0, z[:31])
    negative = z[31] & ~absolute
    return (Cat(magnitude, negative), Mux(negative & (magnitude != 0), ~(magnitude | _SIGN), magnitude | _SIGN),
            (exponent == 0xFF) & (fraction != 0))


def _lowest(absolute):
    """What a fold starts with: a value and its key."""
    return (Mux(absolute, 0, _SIGN | _INFINITY), Mux(absolute, _SIGN, ~(_INFINITY | _SIGN) & 0xFFFFFFFF))


class Extremum(wiring.Component):
    """`Reduce.MAX` and `Reduce.MAXABS` of numerics.md, one element per cycle; denormals count as zeros.

    Members
    -------
    start: begins a fold.
    absolute: MAXABS instead of MAX; constant from ``start`` to ``done``.
    valid, last, z: elements, at most one per cycle.
    done, result: pulse with the extremum, two cycles after the last element.
    """

    start: In(1)
    absolute: In(1)
    valid: In(1)
    last: In(1)
    z: In(32)
    done: Out(1)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        ordered, order, is_nan = _ordered(self.z, self.absolute)
        waiting, final = Signal(), Signal()
        value, key = Signal(32), Signal(32)
        m.d.sync += [waiting.eq(self.valid & ~is_nan), final.eq(self.valid & self.last), self.done.eq(final)]
        with m.If(self.valid):
            m.d.sync += [value.eq(ordered), key.eq(order)]

        best = Signal(32)
        with m.If(self.start):
            value_0, key_0 = _lowest(self.absolute)
            m.d.sync += [self.result.eq(value_0), best.eq(key_0)]
        with m.Elif(waiting):
            with m.If(key > best):
                m.d.sync += [self.result.eq(value), best.eq(key)]
        return m


class WordExtremum(wiring.Component):
    """`Extremum` of a word of elements per cycle; ``valid`` has a bit for each, the lowest set in every word."""

    start: In(1)
    absolute: In(1)
    valid: In(ELEMENTS)
    last: In(1)
    z: In(32 * ELEMENTS)
    done: Out(1)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        orders, values, keys = ([Signal(32, name=f"{name}{lane}") for lane in range(ELEMENTS)]
                                for name in ("order", "value", "key"))
        wins = Signal(ELEMENTS)  # the largest of its word, of equals the first
        waiting, final = Signal(), Signal()
        m.d.sync += [waiting.eq(self.valid[0]), final.eq(self.valid[0] & self.last), self.done.eq(final)]
        for lane in range(ELEMENTS):
            ordered, order, is_nan = _ordered(self.z.word_select(lane, 32), self.absolute)
            m.d.comb += orders[lane].eq(Mux(self.valid[lane] & ~is_nan, order, 0))
            with m.If(self.valid[0]):
                m.d.sync += [
                    values[lane].eq(ordered), keys[lane].eq(orders[lane]),
                    wins[lane].eq(reduce(and_, (orders[lane] >= other if lane < at else orders[lane] > other
                                                for at, other in enumerate(orders) if at != lane))),
                ]

        def winner(candidates):
            return reduce(or_, (one & wins[lane].replicate(32) for lane, one in enumerate(candidates)))

        best = Signal(32)
        with m.If(self.start):
            value_0, key_0 = _lowest(self.absolute)
            m.d.sync += [self.result.eq(value_0), best.eq(key_0)]
        with m.Elif(waiting & Cat(wins[lane] & (key > best) for lane, key in enumerate(keys)).any()):
            m.d.sync += [self.result.eq(winner(values)), best.eq(winner(keys))]
        return m
