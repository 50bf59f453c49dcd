"""The integer offset of coded weights: (Q << double) + zero."""

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.pipeline import Pipeline
from .formats import DOT, EXPONENT, GROUP_TOTAL
from .scaler import Scaler

__all__ = ["CodedFactors", "CodedScaler", "ZeroProduct"]

CodedFactors = data.StructLayout({"exponent": EXPONENT, "total": GROUP_TOTAL, "shift": DOT})
"""E - 14, X and zero * X of a group."""

ZERO = signed(10)
HALF = 16
"""Bits of the lower part of X: two multiplications of at most 18 x 18 bits."""


class ZeroProduct(wiring.Component):
    """zero * X of every context, modulo 2^29; with the sum it is added to it fits.

    Members
    -------
    zero: constant while products are under way.
    i_valid, exponent, total: a group's E - 14 and X.
    o_valid: pulse ``latency`` cycles after ``i_valid``.
    o: the group's factors; the next ones may come in that cycle.
    """

    latency = 3

    def __init__(self, contexts: int):
        super().__init__({
            "zero": In(ZERO), "i_valid": In(1), "exponent": In(EXPONENT).array(contexts),
            "total": In(GROUP_TOTAL).array(contexts), "o_valid": Out(1), "o": Out(CodedFactors).array(contexts),
        })

    def elaborate(self, platform):
        m = Module()
        for exponent, total, o in zip(self.exponent, self.total, self.o, strict=True):
            pipe = Pipeline(m, self.i_valid)
            group = pipe.stage(exponent=exponent, total=total)
            s = pipe.stage(low=self.zero * group.total[:HALF], high=self.zero * group.total[HALF:].as_signed())
            s = pipe.stage(shift=((s.high << HALF) + s.low)[:DOT.width].as_signed())
            assert pipe.stages == self.latency
            m.d.comb += [o.exponent.eq(group.exponent), o.total.eq(group.total), o.shift.eq(s.shift),
                         self.o_valid.eq(pipe.valid)]
        return m


class CodedScaler(wiring.Component):
    """A `Scaler` of I' = (dot << double) + shift.

    Members
    -------
    double: constant while rows are under way.
    shift: zero * X of the row's group.
    i_valid, dot, total, exponent, scale, offset, affine, o_valid, o: as of `Scaler`.
    """

    def __init__(self):
        self._scaler = Scaler(GROUP_TOTAL)
        super().__init__({**self._scaler.signature.members, "double": In(1), "shift": In(DOT)})

    @property
    def latency(self) -> int:
        return 1 + self._scaler.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.scaler = scaler = self._scaler
        pipe = Pipeline(m, self.i_valid)
        doubled = Mux(self.double, self.dot << 1, self.dot)
        s = pipe.stage(dot=(doubled + self.shift)[:DOT.width].as_signed(), total=self.total, exponent=self.exponent,
                       scale=self.scale, offset=self.offset)
        assert pipe.stages + scaler.latency == self.latency
        m.d.comb += [
            scaler.i_valid.eq(pipe.valid), scaler.affine.eq(self.affine),
            *(getattr(scaler, name).eq(getattr(s, name)) for name in ("dot", "total", "exponent", "scale", "offset")),
            self.o_valid.eq(scaler.o_valid), self.o.eq(scaler.o),
        ]
        return m
