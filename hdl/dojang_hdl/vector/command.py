"""The command of the vector unit, derived from the instruction format, and what travels down its pipeline."""

from amaranth.lib import data

from .. import isa

__all__ = ["Beat", "VecCommand"]

_ENUMS = {"mul": isa.Mul, "add": isa.Add, "fn": isa.Fn, "mul2": isa.Mul2, "round": isa.Round, "reduce": isa.Reduce}

VecCommand = data.StructLayout({"a": 16, "b": 16, "d": 16, "n": 16} | {
    name: _ENUMS.get(name, width) for name, width in isa.VEC})
"""SRAM word addresses of the operands and the result, the element count, then `isa.VEC` in its own order."""

Beat = data.StructLayout({"valid": 1, "last": 1, "x": 32, "b": 32})
"""One element between two stages: its value so far, and its element of operand b."""
