"""exp2, reciprocal and reciprocal square root: one quadratic pipeline, three functions."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..isa import Fn
from .float32 import BIAS, FRACTION, INFINITY, NAN, Float32, is_infinity, is_nan
from .pipeline import Pipeline
from .special_table import C0_BITS, C1_BITS, C2_BITS, special_table

__all__ = ["Special"]

Coefficients = data.StructLayout({"c0": unsigned(C0_BITS), "c1": signed(C1_BITS + 1), "c2": unsigned(C2_BITS)})

OFFSET_BITS = 18
"""Bits of the offset within a segment, i.e. of one side of a DSP block."""

EXP2_LIMIT = BIAS + 7
"""Biased exponent of 128, from which on 2^x is infinite (or zero)."""

EXP2_LOWEST = 0x42FC0000
"""126.0: below its negative 2^x is zero."""


class Special(wiring.Component):
    """o = fn(a), one per cycle, ``latency`` cycles later, within 1 ulp.

    Bit for bit as docs/reference/special-functions.md.

    Members
    -------
    i_valid: a and fn are operands; left unconnected, every cycle is an operation. Idle stages do not toggle.
    a: FP32 bit pattern.
    fn: a `dojang_hdl.isa.Fn`; ``Fn.NONE`` passes the bit pattern.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: FP32 bit pattern; holds its value while `o_valid` is 0.
    """

    i_valid: In(1, init=1)
    a: In(32)
    fn: In(2)
    o_valid: Out(1)
    o: Out(32)

    latency = 15

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        # Results that need no table travel beside it as `fixed`.
        a, fn = Float32(self.a), self.fn
        zero = a.exponent == 0
        fixed, special = Signal(32), Signal()
        with m.If(fn == Fn.NONE):
            m.d.comb += [special.eq(1), fixed.eq(self.a)]
        with m.Elif(is_nan(a) | (fn == Fn.RSQRT) & a.sign & ~zero):
            m.d.comb += [special.eq(1), fixed.eq(NAN)]
        with m.Elif(fn == Fn.EXP2):
            m.d.comb += [special.eq(Mux(a.sign, self.a[:31] > EXP2_LOWEST, a.exponent >= EXP2_LIMIT)),
                         fixed.eq(Mux(a.sign, 0, INFINITY))]
        with m.Else():
            m.d.comb += [special.eq(zero | is_infinity(a)),
                         fixed.eq(Cat(Const(0, 31), (fn == Fn.RECIP) & a.sign) | Mux(zero, INFINITY, 0))]
        right = Mux(a.exponent < EXP2_LIMIT, EXP2_LIMIT - 1 - a.exponent, 0)[:8]
        s = pipe.stage(fixed=fixed, special=special, fn=fn, sign=a.sign, exponent=a.exponent, fraction=a.fraction,
                       right=right)

        def carried(s, *names):
            return {name: getattr(s, name) for name in ("fixed", "special", "fn", "sign", *names)}

        # exp2: |x| in fixed point with 25 fraction bits and a rounding bit below them.
        # Shifted right by up to 7 places by multiplications, then by eights; what is small enough disappears.
        fields = ("exponent", "fraction")
        significand = Cat(s.fraction, Const(1, 1))
        unit = Cat(s.right[:3] == 7 - bit for bit in range(8))
        tiny = s.right[6:].any()
        s = pipe.stage(low=Mux(tiny, 0, (significand[:12] * unit)[:19]),
                       high=Mux(tiny, 0, (significand[12:] * unit)[:19]), right=s.right[3:6], **carried(s, *fields))
        shifted = Cat(Const(0, 2), s.low[:12], s.low[12:] | s.high[:7], s.high[7:])
        for level in (2, 1, 0):
            shifted = Mux(s.right[level], shifted >> (8 << level), shifted)
        s = pipe.stage(x=shifted[:33], **carried(s, *fields))
        # -(x + up) is ~x + ~up: one adder rounds and negates.
        s = pipe.stage(x=s.x[1:] ^ s.sign.replicate(32), carry=s.x[0] ^ s.sign, **carried(s, *fields))
        s = pipe.stage(x=(Cat(s.x, s.sign) + s.carry)[:33].as_signed(), **carried(s, *fields))

        odd = ~s.exponent[0]
        exp2, recip = s.fn == Fn.EXP2, s.fn == Fn.RECIP
        unbiased = s.exponent - BIAS
        inverse = Mux(recip, 2 * BIAS - 1 - s.exponent, BIAS - 1 - (unbiased >> 1))
        whole = Mux(exp2, s.x[25:].as_signed() + BIAS, inverse)
        offset = Mux(exp2, s.x[:OFFSET_BITS], Cat(Const(0, 2), s.fraction[:16]))
        segment = Mux(exp2, s.x[OFFSET_BITS:25], s.fraction[16:])
        select = Mux(exp2, 0, Mux(recip, 1, Cat(odd, Const(1, 1))))
        s = pipe.stage(address=Cat(segment, select), exponent=whole[:10].as_signed(),
                       v=Cat(offset[:-1], ~offset[-1]).as_signed(), **carried(s))

        carry = ("exponent", "v")
        m.submodules.table = table = memory.Memory(
            shape=Coefficients, depth=512, attrs={"ram_style": "block"},
            init=[{"c0": c0, "c1": c1, "c2": c2} for c0, c1, c2 in special_table()])
        port = table.read_port()
        m.d.comb += [port.addr.eq(s.address), port.en.eq(pipe.valid)]
        s = pipe.stage(**carried(s, *carry))
        c = port.data
        s = pipe.stage(c0=c.c0, c1=c.c1, c2=c.c2, **carried(s, *carry))

        # c0 + v·(c1 + v·c2), the second product in two halves that fit DSP blocks.
        s = pipe.stage(square=s.c2 * s.v, c0=s.c0, c1=s.c1, **carried(s, *carry))
        s = pipe.stage(slope=s.c1 + (s.square >> 17), c0=s.c0, **carried(s, *carry))
        s = pipe.stage(low=s.slope[:17] * s.v, high=(s.slope >> 17) * s.v, c0=s.c0, **carried(s, "exponent"))
        s = pipe.stage(linear=(s.low + (s.high << 17)) >> OFFSET_BITS, c0=s.c0, **carried(s, "exponent"))
        # c0 + linear is in 2^27 - 8 … 2^28, the rounded mantissa in 2^23 … 2^24.
        s = pipe.stage(mantissa=((s.c0 + s.linear + 8) >> 4)[:25], **carried(s, "exponent"))
        # A mantissa of 2^24 carries into the exponent.
        below_one = s.mantissa - (1 << FRACTION)
        s = pipe.stage(result=(s.exponent << FRACTION) + below_one, **carried(s))
        magnitude = Mux((s.result >> FRACTION) <= 0, 0, s.result[:31])
        sign = s.sign & (s.fn == Fn.RECIP)
        o = pipe.stage(o=Mux(s.special, s.fixed, Cat(magnitude[:31], sign))).o
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m
