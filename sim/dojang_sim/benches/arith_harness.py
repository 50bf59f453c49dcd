"""All floating-point units side by side, so that one build and one run of the bench verify them all."""

from amaranth.hdl import Cat, Module, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.arith import FloatAdd, FloatMul, IntToFloat, RoundTo, Special

__all__ = ["UNITS", "WIDTH", "ArithHarness"]

WIDTH = 64
"""Bits of the integer operand."""

UNITS = ("add", "mul", "from_int", "round", "special")


class ArithHarness(wiring.Component):
    """Every unit gets the same valid bit; unit k answers in bit k of ``valid`` and word k of ``o``.

    Members
    -------
    i_valid, a, b: operands of all units.
    integer, e: operands of IntToFloat.
    select: ``fn`` of Special, ``mode`` of RoundTo.
    valid, o: results in the order of `UNITS`.
    saturated: RoundTo's.
    """

    i_valid: In(1)
    a: In(32)
    b: In(32)
    integer: In(signed(WIDTH))
    e: In(signed(10))
    select: In(2)
    valid: Out(len(UNITS))
    o: Out(32 * len(UNITS))
    saturated: Out(1)

    def elaborate(self, platform):
        m = Module()
        units = dict(zip(UNITS, (FloatAdd(), FloatMul(), IntToFloat(WIDTH), RoundTo(), Special()), strict=True))
        for name, unit in units.items():
            m.submodules[name] = unit
            m.d.comb += unit.i_valid.eq(self.i_valid)
        for name in ("add", "mul"):
            m.d.comb += [units[name].a.eq(self.a), units[name].b.eq(self.b)]
        for name in ("round", "special"):
            m.d.comb += units[name].a.eq(self.a)
        m.d.comb += [
            units["from_int"].a.eq(self.integer), units["from_int"].e.eq(self.e),
            units["round"].mode.eq(self.select), units["special"].fn.eq(self.select),
            self.saturated.eq(units["round"].saturated),
            self.valid.eq(Cat(*(unit.o_valid for unit in units.values()))),
            self.o.eq(Cat(*(unit.o for unit in units.values()))),
        ]
        return m
