"""FP32 addition."""

from amaranth.hdl import Cat, Const, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .float32 import Float32, finish, is_infinity, is_nan, significand
from .pipeline import Pipeline

__all__ = ["FloatAdd"]


class FloatAdd(wiring.Component):
    """o = fl(a + b), one per cycle, ``latency`` cycles later.

    Formats, rounding, flushing and NaN are those of docs/reference/numerics.md.

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

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        a, b = Float32(self.a), Float32(self.b)
        swap = self.b[:31] > self.a[:31]
        subtract = a.sign ^ b.sign
        s = pipe.stage(
            big=Mux(swap, significand(b), significand(a)), small=Mux(swap, significand(a), significand(b)),
            exponent=Mux(swap, b.exponent, a.exponent),
            shift=Mux(swap, (b.exponent - a.exponent)[:8], (a.exponent - b.exponent)[:8]),
            sign=Mux(swap, b.sign, a.sign), subtract=subtract, zero_sign=a.sign & b.sign,
            nan=is_nan(a) | is_nan(b) | is_infinity(a) & is_infinity(b) & subtract,
            infinity=a.exponent.all() | b.exponent.all())

        # Align with guard, round and sticky bits; from 32 places on only the sticky bit is left.
        aligned, sticky = Cat(Const(0, 2), s.small), s.small.any() & s.shift[5:].any()
        for level in range(5):
            lost = aligned[:1 << level].any()
            aligned = Mux(s.shift[level], aligned >> (1 << level), aligned)
            sticky = sticky | s.shift[level] & lost
        aligned = Mux(s.shift[5:].any(), 0, aligned)[:26]
        passed = {"sign": s.sign, "zero_sign": s.zero_sign, "nan": s.nan, "infinity": s.infinity}
        s = pipe.stage(big=s.big, small=Cat(sticky, aligned), exponent=s.exponent, subtract=s.subtract, **passed)

        def carried(s):
            return {name: getattr(s, name) for name in passed}

        big = s.big << 3
        total = Mux(s.subtract, big - s.small, big + s.small)[:28]
        s = pipe.stage(total=total, exponent=s.exponent, **carried(s))

        # Normalise to a leading one in bit 27, which stands for exponent + 1.
        by16 = ~s.total[12:].any()
        by8 = Mux(by16, ~s.total[4:12].any(), ~s.total[20:].any())
        coarse = Mux(by16, s.total << 16, s.total)[:28]
        s = pipe.stage(total=Mux(by8, coarse << 8, coarse)[:28], places=Cat(by8, by16), exponent=s.exponent,
                       **carried(s))
        fine, places = s.total, []
        for distance in (4, 2, 1):
            empty = ~fine[28 - distance:].any()
            fine = Mux(empty, fine << distance, fine)[:28]
            places.insert(0, empty)
        exponent = (s.exponent + 1) - (s.places << 3)
        s = pipe.stage(total=fine, places=Cat(*places), exponent=exponent, **carried(s))

        zero = ~s.total[27]
        o = finish(pipe, sign=Mux(zero, s.zero_sign, s.sign), exponent=(s.exponent - s.places)[:10].as_signed(),
                   mantissa=s.total[4:], guard=s.total[3], sticky=s.total[:3].any(),
                   nan=s.nan, infinity=s.infinity, zero=zero)
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m
