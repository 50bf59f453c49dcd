"""Activations of the feed-forward part as VECs."""

import math

from dojang_hdl.isa import Add, Fn, Mul, Mul2

from ..checkpoints import Activation
from .writer import Writer, bits

__all__ = ["LOG2_E", "emit_activation"]

LOG2_E = math.log2(math.e)

TANH = -2 * LOG2_E * math.sqrt(2 / math.pi)
POLYNOMIALS = {
    Activation.SILU: (-LOG2_E,),
    Activation.GELU_TANH: (TANH * 0.044715, TANH),
    Activation.GELU_ERF: (-3.228986932e-6, 8.823810288e-5, 3.602746711e-4, -0.1052266879, -2.3020453905),
}
"""An activation is x / (1 + 2^t), t an odd polynomial of x with these coefficients, the highest power first."""


def emit_activation(w: Writer, n: int, x: int, **last: int) -> None:
    """The model's activation of ``n`` elements at ``x``, which stay.

    Parameters
    ----------
    last: VEC fields of the last step: ``d`` and the conversion.
    """
    t, *squares = w.buffers.activation
    highest, *others = POLYNOMIALS[w.shape.activation]
    if others:
        u = squares[0] if squares else t
        w.vec(n, x, mul=Mul.A, d=u)
        w.vec(n, u, mul=Mul.IMM, imm0=bits(highest), add=Add.IMM, imm1=bits(others[0]), d=t)
        for coefficient in others[1:]:
            w.vec(n, t, mul=Mul.B, b=u, add=Add.IMM, imm1=bits(coefficient), d=t)
        w.vec(n, t, mul=Mul.B, b=x, fn=Fn.EXP2, d=t)
    else:
        w.vec(n, x, mul=Mul.IMM, imm0=bits(highest), fn=Fn.EXP2, d=t)
    w.vec(n, t, add=Add.IMM, imm1=bits(1), fn=Fn.RECIP, mul2=Mul2.B, b=x, **last)
