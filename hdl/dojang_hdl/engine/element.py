"""One activation to an integer on its block's exponent."""

from amaranth.hdl import Cat, Const, Module, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS, FRACTION, Float32, is_nan
from ..arith.pipeline import Pipeline
from .formats import E_MAX, E_MIN, Q_BITS

__all__ = ["Element", "ElementAligner"]

LOST = 16
"""From this many places below E on, an element is less than half a unit."""


Element = data.StructLayout({"float": Float32, "zero": 1, "above": 1})
"""FP32 with what its block's exponent does not change: it counts as zero, or as infinite."""


class ElementAligner(wiring.Component):
    """q = clamp(round_half_even(x * 2^(14 - E)), -32767, 32767), one per cycle, ``latency`` cycles later.

    Members
    -------
    i_valid: x and exponent are operands. Idle stages do not toggle.
    x: element, as `classified` makes it; values below 2^-64 and NaN give 0.
    exponent: E + 127, at least x's own unless that is above 64 + 127.
    o: q.
    """

    i_valid: In(1)
    x: In(Element)
    exponent: In(8)
    o: Out(signed(Q_BITS))

    latency = 5

    @staticmethod
    def classified(bits) -> Value:
        """`Element` of an FP32 bit pattern."""
        x = Float32(bits)
        nan = is_nan(x)
        return Cat(bits, nan | (x.exponent < BIAS + E_MIN), (x.exponent > BIAS + E_MAX) & ~nan)

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        x = self.x.float
        s = pipe.stage(places=(self.exponent - x.exponent)[:8], fraction=x.fraction, sign=x.sign, zero=self.x.zero,
                       above=self.x.above)

        # Shifting right by a multiplication: only the upper bits, with the highest of those below the unit (the guard
        # bit), can be anything but sticky.
        unit = Cat(~s.zero & (s.places == LOST - 1 - bit) for bit in range(LOST))
        s = pipe.stage(unit=unit, upper=Cat(s.fraction[FRACTION - Q_BITS + 1:], Const(1, 1)),
                       sticky=s.fraction[:FRACTION - Q_BITS + 1].any(), sign=s.sign, above=s.above)
        s = pipe.stage(value=(s.upper * s.unit)[:Q_BITS + LOST - 1], sticky=s.sticky, sign=s.sign, above=s.above)

        # -(magnitude + up) is ~magnitude + ~up: one adder rounds and negates. The largest magnitude stays what it
        # is; `above` has made the product 0.
        magnitude, below = s.value[LOST:], s.value[:LOST - 1]
        up = s.value[LOST - 1] & (magnitude[0] | below.any() | s.sticky) & ~magnitude.all()
        s = pipe.stage(magnitude=(magnitude | s.above.replicate(Q_BITS - 1)) ^ s.sign.replicate(Q_BITS - 1),
                       carry=up ^ s.sign, sign=s.sign)
        s = pipe.stage(o=(Cat(s.magnitude, s.sign) + s.carry)[:Q_BITS])
        assert pipe.stages == self.latency
        m.d.comb += self.o.eq(s.o)
        return m
