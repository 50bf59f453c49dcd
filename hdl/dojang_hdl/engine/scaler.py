"""Integers times FP16 factors, to FP32."""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.add import FloatAdd
from ..arith.convert import IntToFloat
from ..arith.pipeline import Pipeline
from .formats import DOT, EXPONENT, TOTAL

__all__ = ["ONE", "FactorProduct", "Scaler"]

Float16 = data.StructLayout({"fraction": 10, "exponent": 5, "sign": 1})
FLOAT16_UNIT = -25
"""A significand's unit is 2^(exponent + FLOAT16_UNIT), with exponent 1 for denormals."""

ONE = 0x3C00
"""FP16 1.0."""

HALF = 16
"""Bits of the multiplicand's lower part: two multiplications of at most 18 x 18 bits."""


class FactorProduct(wiring.Component):
    """o = fl(a * factor * 2^e), one rounding of the exact product, one per cycle, ``latency`` cycles later.

    Parameters
    ----------
    width: bits of ``a``, 18 to 33.

    Members
    -------
    i_valid: the operands are valid. Idle stages do not toggle.
    a: two's complement integer.
    factor: FP16 bit pattern, denormals honoured; infinities and NaN are not expected.
    e: power of two, |e| < 480.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: FP32 bit pattern; holds its value while `o_valid` is 0.
    """

    def __init__(self, width: int):
        self._width = width
        self._convert = IntToFloat(width + 11)
        super().__init__({"i_valid": In(1), "a": In(signed(width)), "factor": In(16), "e": In(EXPONENT),
                          "o_valid": Out(1), "o": Out(32)})

    @property
    def latency(self) -> int:
        return 3 + self._convert.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.convert = convert = self._convert
        pipe = Pipeline(m, self.i_valid)

        factor = Float16(self.factor)
        denormal = factor.exponent == 0
        magnitude = Cat(factor.fraction, ~denormal, Const(0, 1)).as_signed()
        s = pipe.stage(low=self.a[:HALF], high=self.a[HALF:].as_signed(),
                       significand=Mux(factor.sign, -magnitude, magnitude)[:12].as_signed(),
                       e=(self.e + Mux(denormal, 1, factor.exponent) + FLOAT16_UNIT)[:10].as_signed())
        s = pipe.stage(low=s.significand * s.low, high=s.significand * s.high, e=s.e)
        upper = s.high + (s.low >> HALF)
        s = pipe.stage(a=Cat(s.low[:HALF], upper)[:self._width + 11].as_signed(), e=s.e)
        assert pipe.stages + convert.latency == self.latency

        m.d.comb += [convert.i_valid.eq(pipe.valid), convert.a.eq(s.a), convert.e.eq(s.e),
                     self.o_valid.eq(convert.o_valid), self.o.eq(convert.o)]
        return m


class Scaler(wiring.Component):
    """o = fl(fl(scale * dot) + fl(offset * total)) * 2^exponent, one per cycle, ``latency`` cycles later.

    The power of two is applied before the roundings, which it commutes with because nothing overflows or underflows.

    Parameters
    ----------
    total: shape of ``total``.

    Members
    -------
    i_valid: the operands are valid. Idle stages do not toggle.
    dot, total, exponent: I, X and E - 14 of numerics.md.
    scale, offset: FP16 bit patterns; the offset counts as zero without ``affine``.
    affine: constant while rows are under way.
    o_valid: `i_valid`, ``latency`` cycles later.
    o: FP32 bit pattern.
    """

    def __init__(self, total: Shape = TOTAL):
        self._scaled, self._shifted = FactorProduct(DOT.width), FactorProduct(total.width)
        super().__init__({
            "i_valid": In(1), "dot": In(DOT), "total": In(total), "exponent": In(EXPONENT), "scale": In(16),
            "offset": In(16), "affine": In(1), "o_valid": Out(1), "o": Out(32),
        })

    @property
    def latency(self) -> int:
        return self._scaled.latency + FloatAdd.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.scaled, m.submodules.shifted = scaled, shifted = self._scaled, self._shifted
        m.submodules.add = add = FloatAdd()
        assert scaled.latency == shifted.latency
        m.d.comb += [
            scaled.i_valid.eq(self.i_valid), scaled.a.eq(self.dot), scaled.factor.eq(self.scale),
            scaled.e.eq(self.exponent),
            shifted.i_valid.eq(self.i_valid), shifted.a.eq(self.total),
            shifted.factor.eq(Mux(self.affine, self.offset, 0)), shifted.e.eq(self.exponent),
            add.i_valid.eq(scaled.o_valid), add.a.eq(scaled.o), add.b.eq(shifted.o),
            self.o_valid.eq(add.o_valid), self.o.eq(add.o),
        ]
        return m
