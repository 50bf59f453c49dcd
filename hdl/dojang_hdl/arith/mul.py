"""FP32 multiplication."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .float32 import BIAS, Float32, finish, is_infinity, is_nan
from .pipeline import Pipeline

__all__ = ["FloatMul"]


class FloatMul(wiring.Component):
    """o = fl(a · b), one per cycle, ``latency`` cycles later.

    Formats, rounding, flushing and NaN are those of docs/reference/numerics.md.

    Members
    -------
    i_valid: a and b are operands; left unconnected, every cycle is an operation. Idle stages do not toggle.
    a, b: factors, FP32 bit patterns.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: product, FP32 bit pattern; holds its value while `o_valid` is 0.
    """

    i_valid: In(1, init=1)
    a: In(32)
    b: In(32)
    o_valid: Out(1)
    o: Out(32)

    latency = 7

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        a, b = Float32(self.a), Float32(self.b)
        zero_a, zero_b = a.exponent == 0, b.exponent == 0
        infinity = is_infinity(a) | is_infinity(b)
        # With the leading one even for zeros and denormals: `zero` overrides their product.
        s = pipe.stage(a=Cat(a.fraction, Const(1, 1)), b=Cat(b.fraction, Const(1, 1)), exponent=a.exponent + b.exponent,
                       sign=a.sign ^ b.sign,
                       nan=is_nan(a) | is_nan(b) | infinity & (zero_a | zero_b), infinity=infinity,
                       zero=zero_a | zero_b)

        passed = ("exponent", "sign", "nan", "infinity", "zero")

        def carried(s):
            return {name: getattr(s, name) for name in passed}

        # Four 12 x 12 products map to one DSP block each, with a register before and behind.
        low_a, high_a, low_b, high_b = s.a[:12], s.a[12:], s.b[:12], s.b[12:]
        s = pipe.stage(low=low_a * low_b, cross_a=high_a * low_b, cross_b=low_a * high_b, high=high_a * high_b,
                       **carried(s))
        s = pipe.stage(outer=Cat(s.low, s.high), cross=s.cross_a + s.cross_b, **carried(s))
        s = pipe.stage(product=(s.outer + (s.cross << 12))[:48], **carried(s))

        top = s.product[47]
        s = pipe.stage(mantissa=Mux(top, s.product[24:], s.product[23:47]),
                       guard=Mux(top, s.product[23], s.product[22]),
                       sticky=s.product[:22].any() | top & s.product[22],
                       **carried(s) | {"exponent": (s.exponent + top - (BIAS + 1))[:10].as_signed()})
        o = finish(pipe, exponent_less_1=s.exponent, mantissa=s.mantissa, guard=s.guard, sticky=s.sticky, sign=s.sign,
                   nan=s.nan, infinity=s.infinity, zero=s.zero)
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m
