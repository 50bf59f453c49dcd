"""What readers of blocks give, and FP16 scales."""

from typing import NamedTuple

import numpy as np

__all__ = ["LARGEST", "Parts", "ScaleError", "check_finite", "coarse", "half"]

LARGEST = float(np.finfo(np.float16).max)

LOOSE = 9 / 8
"""A step so many times as large as the one that would use all codes is told of."""


class ScaleError(ValueError):
    """A scale or an offset that FP16 has not; the text goes behind the name of a tensor."""


class Parts(NamedTuple):
    """Weights of n blocks: codes * scale (+ offset).

    codes: integers [n, groups, 32]. scale: float16 [n, groups]. offset: the same, or None.
    vanished: bool [n, groups], True where weights that are not zero all became zero, or None for nowhere.
    coarse: bool [n, groups], True where weights lost bits since FP16 has no scale so small, or None.
    """

    codes: np.ndarray
    scale: np.ndarray
    offset: np.ndarray | None = None
    vanished: np.ndarray | None = None
    coarse: np.ndarray | None = None


def half(values: np.ndarray) -> np.ndarray:
    """To the nearest float16.

    Raises
    ------
    ScaleError: a value is not finite, or beyond FP16.
    """
    check_finite(values)
    with np.errstate(over="ignore"):
        found = values.astype(np.float16)
    if not np.isfinite(found).all():
        raise ScaleError(f"needs a scale of {values.flat[np.abs(values).argmax()]:.3g}, beyond the range of FP16, "
                         f"{LARGEST:.0f}")
    return found


def check_finite(values: np.ndarray) -> None:
    """Raise `ScaleError` unless all are."""
    if not np.isfinite(values).all():
        raise ScaleError("holds a NaN or infinite scale")


def coarse(scale: np.ndarray, wanted: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Where scales [n, groups] are so far above the wanted ones that weights [n, groups, 32] lose bits, bool."""
    found = np.abs(scale.astype(np.float64)) > LOOSE * np.abs(wanted)
    found[found] = (codes[found] * scale[found].astype(np.float64)[:, None] != weights[found]).any(axis=1)
    return found
