"""Conversions: integer to FP32, and the roundings of the vector unit."""

from amaranth.hdl import Cat, Const, Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..isa import Round
from .float32 import BIAS, FRACTION, NAN, Float32, finish, is_nan
from .pipeline import Pipeline

__all__ = ["IntToFloat", "RoundTo"]

FP16_MAX = 0x477FE000
FP16_OVERFLOW = BIAS + 16
"""Biased exponent of 2^16, the first power of two above the FP16 range."""


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

        s = pipe.stage(value=Mux(self.a < 0, -self.a, self.a)[:width], sign=self.a < 0,
                       exponent=self.e + (BIAS + width - 1))
        # Normalise to a leading one in the top bit, two distances a stage.
        distances = [1 << level for level in reversed(range(ceil_log2(width)))]
        for first in range(0, len(distances), 2):
            value, places = s.value, 0
            for distance in distances[first:first + 2]:
                empty = ~value[width - distance:].any()
                value = Mux(empty, value << distance, value)[:width]
                places = places + Mux(empty, distance, 0)
            s = pipe.stage(value=value, sign=s.sign, exponent=(s.exponent - places)[:11].as_signed())

        value = Cat(Const(0, max(0, 26 - width)), s.value)
        s = pipe.stage(mantissa=value[-24:], guard=value[-25], sticky=value[:-25].any(), sign=s.sign,
                       exponent=s.exponent)
        o = finish(pipe, sign=s.sign & s.mantissa[-1], exponent=s.exponent, mantissa=s.mantissa, guard=s.guard,
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
    """

    i_valid: In(1, init=1)
    a: In(32)
    mode: In(2)
    o_valid: Out(1)
    o: Out(32)

    latency = 4

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)

        # `drop` bits of the significand are below the last place: 13, more for FP16 denormals; those below 1 for INT8.
        a = Float32(self.a)
        integer = self.mode == Round.INT8
        drop = Mux(integer, BIAS + FRACTION - a.exponent, BIAS - 1 - a.exponent)
        large = Mux(integer, a.exponent >= BIAS + 7, a.exponent >= FP16_OVERFLOW)
        s = pipe.stage(a=self.a, mode=self.mode, large=large, tiny=drop > 24, nan=is_nan(a),
                       drop=Mux((drop < 13) | large, 13, drop)[:5])

        # `drop` is 13 to 24 wherever it matters: masks of the dropped bits, and of the one above them.
        full = Cat(s.a[:FRACTION], Const(1, 1), Const(0, 1))
        below = Cat(*(s.drop > bit for bit in range(24)))
        last = Cat(*(s.drop == bit for bit in range(25)))
        guard = (full[:24] & last[1:]).any()
        sticky = (full[:23] & below[1:]).any()
        odd = (full & last).any()
        s = pipe.stage(a=s.a, mode=s.mode, large=s.large, tiny=s.tiny, nan=s.nan, up=guard & (sticky | odd),
                       last=last[13:], kept=s.a[:31] & ~Cat(below[:FRACTION], Const(0, 8)),
                       integer=(full >> s.drop)[:7], half=last[24])

        up = s.up & ~s.tiny
        # In the step around the smallest value nothing of the significand is kept: it is that value or zero.
        smallest = Mux(up, (BIAS - 24) << FRACTION, 0)
        rounded = Mux(s.half | s.tiny, smallest, s.kept + Mux(up, s.last << 13, 0))[:31]
        count = Mux(s.tiny, 0, s.integer) + up
        s = pipe.stage(a=s.a, mode=s.mode, nan=s.nan, large=s.large, rounded=rounded, count=count[:8])

        magnitude = Mux(s.large | (s.rounded >= FP16_OVERFLOW << FRACTION), FP16_MAX, s.rounded)
        half = Mux(s.nan, NAN, Cat(magnitude[:31], s.a[31]))
        clamped = Mux(s.nan, 0, Mux(s.large | s.count[7], 127, s.count[:7]))
        integer = Mux(s.a[31], -clamped, clamped).as_signed()
        o = pipe.stage(o=Mux(s.mode == Round.FP16, half, Mux(s.mode == Round.INT8, integer, s.a)[:32])).o
        assert pipe.stages == self.latency
        m.d.comb += [self.o.eq(o), self.o_valid.eq(pipe.valid)]
        return m
