"""Conversions: integer to FP32, and the roundings of the vector unit."""

from amaranth.hdl import Cat, Const, Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..isa import Round
from .float32 import BIAS, FRACTION, NAN, Float32, finish, is_nan, leading_place
from .pipeline import Pipeline

__all__ = ["IntToFloat", "RoundTo"]

FP16_MAX = 0x477FE000
FP16_OVERFLOW = BIAS + 16
"""Biased exponent of 2^16, the first power of two above the FP16 range."""


KEPT = FRACTION - 10
"""Lowest bit of an FP32 fraction that FP16 keeps."""

MOST = 11
"""As many bits more lie below the last place at most, or the value is less than half of it."""


class IntToFloat(wiring.Component):
    """o = fl(a · 2^e), rounded once, one per cycle, ``latency`` cycles later; a = 0 gives +0.

    Overflow gives an infinity, a denormal result a zero of its sign.

    Parameters
    ----------
    width: bits of ``a``, 2 to 64.

    Members
    -------
    i_valid: a and e are operands; left unconnected, every cycle is an operation. Idle stages do not toggle.
    a: two's complement integer.
    e: power of two it is scaled by, −512 … 511.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: FP32 bit pattern; holds its value while `o_valid` is 0.
    """

    def __init__(self, width: int):
        if not 2 <= width <= 64:
            raise ValueError(f"IntToFloat width={width}, expected 2 to 64")
        self._width = width
        super().__init__({"i_valid": In(1, init=1), "a": In(signed(width)), "e": In(signed(10)),
                          "o_valid": Out(1), "o": Out(32)})

    @property
    def latency(self) -> int:
        return 4 + (ceil_log2(self._width) + 1) // 2

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)
        width = self._width

        # At least 32 bits; the exponent is that of a leading one in the top bit, less 1.
        a = Mux(self.a < 0, -self.a, self.a)[:width]
        s = pipe.stage(value=Cat(Const(0, max(0, 32 - width)), a), sign=self.a < 0,
                       exponent=(self.e + (BIAS + width - 2))[:11].as_signed(), places=Const(0, 0))
        # Normalise: to a leading one among the upper eight bits, two distances a stage at most, ...
        levels = ceil_log2(width)
        distances = [1 << level for level in range(3, levels)]
        for left in reversed(range((levels + 1) // 2 - 1)):
            value, places = s.value, s.places
            while len(distances) > 2 * left or (distances and left == 0):
                distance = distances.pop()
                empty = ~value[-distance:].any()
                value, places = Mux(empty, value << distance, value)[:len(value)], Cat(empty, places)
            s = pipe.stage(value=value, sign=s.sign, exponent=s.exponent, places=places)
        # ... then by multiplications. What lies below 32 bits is sticky.
        unit, places = leading_place(s.value[-8:])
        s = pipe.stage(value=s.value[-32:], unit=unit, sticky=s.value[:-32].any(), places=Cat(places, s.places),
                       sign=s.sign, exponent=s.exponent)
        high, low = (s.value[16:] * s.unit)[:16], (s.value[:16] * s.unit)[:24]
        s = pipe.stage(mantissa=Cat(low[8:16], low[16:] | high[:8], high[8:]), guard=low[7],
                       sticky=s.sticky | low[:7].any(), sign=s.sign,
                       exponent=(s.exponent - s.places)[:11].as_signed())
        o = finish(pipe, sign=s.sign & s.mantissa[-1], exponent_less_1=s.exponent, mantissa=s.mantissa, guard=s.guard,
                   sticky=s.sticky, nan=Const(0), infinity=Const(0), zero=~s.mantissa[-1])
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m


class RoundTo(wiring.Component):
    """Converts an FP32 value as `dojang_hdl.isa.Round` says, one per cycle, ``latency`` cycles later.

    Members
    -------
    i_valid: a and mode are operands; left unconnected, every cycle is an operation. Idle stages do not toggle.
    a: FP32 bit pattern.
    mode: ``Round.NONE`` passes the bit pattern, ``Round.FP16`` gives the FP16 value as FP32, ``Round.INT8`` an integer.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: FP32 bit pattern, or for ``Round.INT8`` a two's complement integer sign-extended to 32 bits; holds its value
        while `o_valid` is 0.
    saturated: with `o_valid`: a is beyond FP16's range, so that ``Round.FP16`` has given its largest number.
    """

    i_valid: In(1, init=1)
    a: In(32)
    mode: In(2)
    o_valid: Out(1)
    o: Out(32)
    saturated: Out(1)

    latency = 4

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        # 13 + `drop` bits of the significand are below the last place: none more but for FP16 denormals, and for INT8,
        # whose last place is 1. Where it matters, `drop` is at most 11.
        a = Float32(self.a)
        integer = self.mode == Round.INT8
        drop = Mux(integer, BIAS + FRACTION - KEPT, BIAS - 1 - KEPT) - a.exponent
        large = Mux(integer, a.exponent >= BIAS + 7, a.exponent >= FP16_OVERFLOW)
        s = pipe.stage(a=self.a, mode=self.mode, large=large, tiny=drop > MOST, nan=is_nan(a),
                       drop=Mux((drop < 0) | large, 0, drop)[:4])

        # Of the significand's bits from KEPT on: masks of the dropped ones, and of the one above them.
        full = Cat(s.a[:FRACTION], Const(1, 1), Const(0, 1))
        below = Cat(*(s.drop > bit for bit in range(MOST)))
        last = Cat(*(s.drop == bit for bit in range(MOST + 1)))
        guard = (full[KEPT - 1:24] & last).any()
        sticky = full[:KEPT - 1].any() | (full[KEPT - 1:23] & below).any()
        odd = (full[KEPT:] & last).any()
        whole = [(full[bit + KEPT:] & last).any() for bit in range(7)]
        s = pipe.stage(a=s.a, mode=s.mode, large=s.large, tiny=s.tiny, nan=s.nan, up=guard & (sticky | odd),
                       last=last, kept=s.a[KEPT:31] & ~Cat(below[:FRACTION - KEPT], Const(0, 8)),
                       integer=Cat(whole), half=last[MOST])

        up = s.up & ~s.tiny
        # In the step around the smallest value nothing of the significand is kept: it is that value or zero.
        smallest = Mux(up, (BIAS - 24) << FRACTION, 0)
        rounded = Mux(s.half | s.tiny, smallest, Cat(Const(0, KEPT), s.kept + Mux(up, s.last, 0)))[:31]
        count = Mux(s.tiny, 0, s.integer) + up
        s = pipe.stage(a=s.a, mode=s.mode, nan=s.nan, large=s.large, rounded=rounded, count=count[:8])

        beyond = s.large | (s.rounded >= FP16_OVERFLOW << FRACTION)
        magnitude = Mux(beyond, FP16_MAX, s.rounded)
        half = Mux(s.nan, NAN, Cat(magnitude[:31], s.a[31]))
        clamped = Mux(s.nan, 0, Mux(s.large | s.count[7], 127, s.count[:7]))
        integer = Mux(s.a[31], -clamped, clamped).as_signed()
        s = pipe.stage(o=Mux(s.mode == Round.FP16, half, Mux(s.mode == Round.INT8, integer, s.a)[:32]),
                       saturated=(s.mode == Round.FP16) & beyond & ~s.nan)
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(s.o), self.o_valid.eq(pipe.valid), self.saturated.eq(pipe.valid & s.saturated)]
        return m
