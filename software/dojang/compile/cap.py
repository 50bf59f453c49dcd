"""Soft caps: cap · tanh(x · scale / cap)."""

from dojang_hdl.isa import Add, Fn, Mul

from .activation import LOG2_E
from .program import Count
from .writer import Writer, bits

__all__ = ["emit_cap"]


def emit_cap(w: Writer, n: int | Count, x: int, cap: float, scale: float, **last: int) -> None:
    """Cap the ``n`` elements at ``x`` in place. ``last``: further fields of the last VEC, which makes the results."""
    w.vec(n, x, mul=Mul.IMM, imm0=bits(2 * LOG2_E * scale / cap), fn=Fn.EXP2, d=x)
    w.vec(n, x, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, d=x)
    w.vec(n, x, mul=Mul.IMM, imm0=bits(-2 * cap), add=Add.IMM, imm1=bits(cap), d=x, **last)
