"""Functions of single numbers that a model's rules name, in float32."""

from collections.abc import Callable

import numpy as np

from ..checkpoints import Activation

__all__ = ["ACTIVATIONS", "capped"]

ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)
"""Of Abramowitz and Stegun 7.1.26: 1.5e-7 off at most; numpy has no error function."""


def capped(values: np.ndarray, cap: float) -> np.ndarray:
    """cap · tanh(values / cap); as they are without a cap, 0."""
    return np.float32(cap) * np.tanh(values * np.float32(1 / cap)) if cap else values


def _silu(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return x / (1 + np.exp(-x))


def _gelu_tanh(x: np.ndarray) -> np.ndarray:
    inner = (x + np.float32(0.044715) * x * x * x) * np.float32(np.sqrt(2 / np.pi))
    return np.float32(0.5) * x * (1 + np.tanh(inner))


def _gelu_erf(x: np.ndarray) -> np.ndarray:
    size = np.abs(x) * np.float32(np.sqrt(0.5))
    t, series = 1 / (1 + np.float32(0.3275911) * size), np.zeros_like(x)
    for term in reversed(ERF):
        series = (series + np.float32(term)) * t
    erf = np.copysign(1 - series * np.exp(-size * size), x)
    return np.float32(0.5) * x * (1 + erf)


ACTIVATIONS: dict[Activation, Callable[[np.ndarray], np.ndarray]] = {
    Activation.SILU: _silu, Activation.GELU_TANH: _gelu_tanh, Activation.GELU_ERF: _gelu_erf}
