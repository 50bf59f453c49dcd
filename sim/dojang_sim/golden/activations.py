"""Functions of single elements in the forward pass (docs/reference/numerics.md: Forward pass). numpy only.

Each takes and returns float32 of any shape. All are built on n / (1 + 2^t).
"""

import numpy as np

from .fp import add, mul
from .special import exp2, recip

__all__ = ["ACTIVATIONS", "LOG2_E", "cap", "gelu_erf", "gelu_tanh", "silu"]

LOG2_E = np.log2(np.e)
_TANH = -2 * LOG2_E * np.sqrt(2 / np.pi)
_ERF = (-3.228986932e-6, 8.823810288e-5, 3.602746711e-4, -0.1052266879, -2.3020453905)


def silu(n) -> np.ndarray:
    """n · sigmoid(n)"""
    return mul(_sigmoid(mul(n, np.float32(-LOG2_E))), n)


def gelu_tanh(n) -> np.ndarray:
    """n · Φ(n) by the usual cubic within tanh."""
    return _gelu(n, (_TANH * 0.044715, _TANH))


def gelu_erf(n) -> np.ndarray:
    """n · Φ(n), to 3e-6."""
    return _gelu(n, _ERF)


ACTIVATIONS = {"silu": silu, "gelu_tanh": gelu_tanh, "gelu_erf": gelu_erf}


def cap(s, limit: float, factor: float = 1.0) -> np.ndarray:
    """limit · tanh(s · factor / limit)"""
    half = _sigmoid(mul(s, np.float32(2 * LOG2_E * factor / limit)))
    return add(mul(half, np.float32(-2 * limit)), np.float32(limit))


def _sigmoid(t):
    """1 / (1 + 2^t)"""
    return recip(add(exp2(t), np.float32(1)))


def _gelu(n, coefficients):
    """n / (1 + 2^(n · p(n²))) with the coefficients of p, highest first."""
    u, (p, *rest) = mul(n, n), np.float32(coefficients)
    for coefficient in rest:
        p = add(mul(u, p), coefficient)
    return mul(_sigmoid(mul(p, n)), n)
