"""Functions of single elements as VECs: those of the feed-forward part, and caps."""

import math

from dojang_hdl.isa import Add, Fn, Mul, Mul2

from ..checkpoints import Activation
from .program import Count
from .writer import Writer, bits

__all__ = ["emit_activation", "emit_cap"]

LOG2_E = math.log2(math.e)

TANH_LINEAR = -2 * LOG2_E * math.sqrt(2 / math.pi)
TANH_CUBIC = TANH_LINEAR * 0.044715

ERF_STEP = 0.3275911 / math.sqrt(2)
ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""Abramowitz and Stegun 7.1.26: a1 to a5."""


def emit_activation(w: Writer, n: int, x: int, **last: int) -> None:
    """The model's activation of ``n`` elements at ``x``, which stay.

    Parameters
    ----------
    last: VEC fields of the last step: ``d`` and the conversion.
    """
    EMIT[w.shape.activation](w, n, x, *w.buffers.activation, **last)


def _silu(w: Writer, n: int, x: int, t: int, **last: int) -> None:
    w.vec(n, x, mul=Mul.IMM, imm0=bits(-LOG2_E), fn=Fn.EXP2, d=t)
    w.vec(n, t, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, mul2=Mul2.B, b=x, **last)


def _gelu_tanh(w: Writer, n: int, x: int, t: int, **last: int) -> None:
    w.vec(n, x, mul=Mul.A, d=t)
    w.vec(n, t, mul=Mul.IMM, imm0=bits(TANH_CUBIC), add=Add.IMM, imm1=bits(TANH_LINEAR), mul2=Mul2.B, b=x, d=t)
    w.vec(n, t, fn=Fn.EXP2, d=t)
    w.vec(n, t, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, mul2=Mul2.B, b=x, **last)


def _gelu_erf(w: Writer, n: int, x: int, p: int, size: int, t: int, **last: int) -> None:
    """``size``: |x|. ``t``: the polynomial's variable, then the exponential."""
    w.vec(n, x, mul=Mul.A, add=Add.IMM, imm1=bits(2.0**-40), fn=Fn.RSQRT, mul2=Mul2.B, b=x, d=size)
    w.vec(n, size, mul=Mul.B, b=x, d=size)
    w.vec(n, size, mul=Mul.IMM, imm0=bits(ERF_STEP), add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, d=t)
    first, *others = ERF[::-1]
    w.vec(n, t, mul=Mul.IMM, imm0=bits(first), add=Add.IMM, imm1=bits(others[0]), mul2=Mul2.B, b=t, d=p)
    for coefficient in others[1:]:
        w.vec(n, p, add=Add.IMM, imm1=bits(coefficient), mul2=Mul2.B, b=t, d=p)
    w.vec(n, x, mul=Mul.A, d=t)
    w.vec(n, t, mul=Mul.IMM, imm0=bits(-LOG2_E / 2), fn=Fn.EXP2, d=t)
    w.vec(n, p, mul=Mul.B, b=t, d=p)
    w.vec(n, p, mul=Mul.IMM, imm0=bits(-1 / 2), add=Add.IMM, imm1=bits(1 / 2), mul2=Mul2.B, b=size, d=p)
    w.vec(n, x, mul=Mul.IMM, imm0=bits(1 / 2), add=Add.B, b=p, **last)


EMIT = {Activation.SILU: _silu, Activation.GELU_TANH: _gelu_tanh, Activation.GELU_ERF: _gelu_erf}


def emit_cap(w: Writer, n: int | Count, x: int, cap: float, factor: float = 1.0) -> None:
    """``n`` elements at ``x`` become cap · tanh(x · factor / cap), in place."""
    w.vec(n, x, mul=Mul.IMM, imm0=bits(2 * LOG2_E * factor / cap), fn=Fn.EXP2, d=x)
    w.vec(n, x, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, d=x)
    w.vec(n, x, mul=Mul.IMM, imm0=bits(-2 * cap), add=Add.IMM, imm1=bits(cap), d=x)
