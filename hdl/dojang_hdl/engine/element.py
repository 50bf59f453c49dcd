"""One activation to an integer on its block's exponent."""

from amaranth.hdl import Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS, Float32, is_nan, significand
from ..arith.pipeline import Pipeline
from .formats import E_MAX, E_MIN, LIMIT, Q_BITS

__all__ = ["ElementAligner"]

LOST = 16
"""From this many places below E on, an element is less than half a unit."""


class ElementAligner(wiring.Component):
    """q = clamp(round_half_even(x * 2^(14 - E)), -32767, 32767), one per cycle, ``latency`` cycles later.

    Members
    -------
    i_valid: x and exponent are operands. Idle stages do not toggle.
    x: FP32 bit pattern; values below 2^-64 and NaN give 0.
    exponent: E + 127, at least x's own unless that is above 64 + 127.
    o: q.
    """

    i_valid: In(1)
    x: In(32)
    exponent: In(8)
    o: Out(signed(Q_BITS))

    latency = 5

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        x = Float32(self.x)
        places = Signal(8)
        zero = Signal()
        m.d.comb += [places.eq(self.exponent - x.exponent),
                     zero.eq(is_nan(x) | (x.exponent < BIAS + E_MIN) | (places >= LOST))]
        s = pipe.stage(value=Mux(zero, 0, significand(x)), places=places[:4], sign=x.sign,
                       above=(x.exponent > BIAS + E_MAX) & ~is_nan(x))

        # The significand has 9 bits below the unit; what is shifted out of them only leaves a sticky bit.
        value, sticky = s.value, Const(0)
        for level in (3, 2):
            sticky = sticky | s.places[level] & value[:1 << level].any()
            value = Mux(s.places[level], value >> (1 << level), value)
        s = pipe.stage(value=value, sticky=sticky, places=s.places[:2], sign=s.sign, above=s.above)
        value, sticky = s.value, s.sticky
        for level in (1, 0):
            sticky = sticky | s.places[level] & value[:1 << level].any()
            value = Mux(s.places[level], value >> (1 << level), value)
        s = pipe.stage(value=value, sticky=sticky, sign=s.sign, above=s.above)

        up = s.value[8] & (s.value[9] | s.value[:8].any() | s.sticky)
        rounded = Signal(Q_BITS)
        m.d.comb += rounded.eq(s.value[9:24] + up)
        s = pipe.stage(magnitude=Mux(s.above | rounded[-1], LIMIT, rounded[:-1]), sign=s.sign)
        s = pipe.stage(o=Mux(s.sign, -s.magnitude, s.magnitude)[:Q_BITS])
        assert pipe.stages == self.latency
        m.d.comb += self.o.eq(s.o)
        return m
