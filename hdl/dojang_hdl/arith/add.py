"""FP32 addition."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .float32 import Float32, finish, is_infinity, is_nan, leading_place
from .pipeline import Pipeline

__all__ = ["FloatAdd"]


class FloatAdd(wiring.Component):
    """o = fl(a + b), one per cycle, ``latency`` cycles later.

    Formats, rounding, flushing and NaN are those of docs/reference/numerics.md.

    Parameters
    ----------
    short: 4 cycles instead of 7, for sums that wait for their own result; the clock is slower.

    Members
    -------
    i_valid: a and b are operands; left unconnected, every cycle is an operation. Idle stages do not toggle.
    a, b: summands, FP32 bit patterns.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: sum, FP32 bit pattern; holds its value while `o_valid` is 0.
    """

    i_valid: In(1, init=1)
    a: In(32)
    b: In(32)
    o_valid: Out(1)
    o: Out(32)

    latency = 7

    def __init__(self, short: bool = False):
        # Merged are: find the larger | align, add | normalise | round.
        self._merged = (2, 4, 6) if short else ()
        self.latency = type(self).latency - len(self._merged)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid, self._merged)

        a, b = Float32(self.a), Float32(self.b)
        swap = self.b[:31] > self.a[:31]
        subtract = a.sign ^ b.sign
        # Both with their leading one: `vanish` and `none` take care of zeros and denormals.
        zero_a, zero_b = a.exponent == 0, b.exponent == 0
        s = pipe.stage(
            big=Mux(swap, b.fraction, a.fraction), small=Cat(Mux(swap, a.fraction, b.fraction), Const(1, 1)),
            exponent=Mux(swap, b.exponent, a.exponent),
            shift=Mux(swap, (b.exponent - a.exponent)[:8], (a.exponent - b.exponent)[:8]),
            flushed=zero_a | zero_b, none=zero_a & zero_b,
            sign=Mux(swap, b.sign, a.sign), subtract=subtract, zero_sign=a.sign & b.sign,
            nan=is_nan(a) | is_nan(b) | is_infinity(a) & is_infinity(b) & subtract,
            infinity=a.exponent.all() | b.exponent.all())

        # Align, up to 15 places by multiplications; from 32 places on only the sticky bit is left.
        far = s.shift[5:].any()
        vanish = far | s.flushed
        near = Mux(s.shift[4], s.small >> 14, s.small << 2)[:26]
        unit = Cat(s.shift[:4] == 15 - bit for bit in range(16))
        passed = {"sign": s.sign, "zero_sign": s.zero_sign, "nan": s.nan, "infinity": s.infinity, "none": s.none}
        s = pipe.stage(big=s.big, low=Mux(vanish, 0, (near[:13] * unit)[:28]),
                       high=Mux(vanish, 0, (near[13:] * unit)[:28]),
                       sticky=~s.flushed & (far | s.shift[4] & s.small[:14].any()), exponent=s.exponent,
                       subtract=s.subtract, **passed)

        def carried(s):
            return {name: getattr(s, name) for name in passed}

        # Guard, round and sticky bits stay below the sum's last place.
        small = Cat(s.sticky | s.low[:15].any() | s.high[:2].any(), s.low[15:] | s.high[2:15], s.high[15:])
        big = Cat(Const(0, 3), s.big, Const(1, 1))
        total = Mux(s.subtract, big - small, big + small)[:28]
        s = pipe.stage(total=total, exponent=s.exponent, **carried(s))

        # Normalise to a leading one in bit 27, which stands for exponent + 1. By multiplexers: finding the place is
        # too long in front of a multiplication.
        by16 = ~s.total[12:].any()
        by8 = Mux(by16, ~s.total[4:12].any(), ~s.total[20:].any())
        coarse = Mux(by16, s.total << 16, s.total)[:28]
        s = pipe.stage(total=Mux(by8, coarse << 8, coarse)[:28], places=Cat(by8, by16), exponent=s.exponent,
                       **carried(s))
        total, (_, places) = s.total, leading_place(s.total[20:])
        for bit in (2, 1, 0):
            total = Mux(places[bit], total << (1 << bit), total)[:28]
        s = pipe.stage(total=total, exponent=(s.exponent - Cat(places, s.places))[:10].as_signed(), **carried(s))

        zero = ~s.total[27] | s.none
        o = finish(pipe, sign=Mux(zero, s.zero_sign, s.sign), exponent_less_1=s.exponent, mantissa=s.total[4:],
                   guard=s.total[3], sticky=s.total[:3].any(), nan=s.nan, infinity=s.infinity, zero=zero)
        assert pipe.stages - len(self._merged) == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m
