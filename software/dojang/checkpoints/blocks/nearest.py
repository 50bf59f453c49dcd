"""Weights onto the nearest codes with one scale a group (numerics page, "Weights")."""

import numpy as np

from .parts import Parts, check_finite, coarse, half

__all__ = ["affine", "symmetric"]


def symmetric(weights: np.ndarray, bits: int, wanted: np.ndarray | None = None) -> Parts:
    """Signed codes.

    Parameters
    ----------
    weights: float64 [n, groups, 32].
    bits: of the codes.
    wanted: scales [n, groups] before they are rounded; None for the smallest with which the codes reach the largest
        weights, whatever their sign.

    Raises
    ------
    ScaleError: a weight is not finite, or a scale beyond FP16.
    """
    check_finite(weights)
    limit = (1 << bits - 1) - 1
    largest = np.abs(weights).max(axis=2)
    ideal = np.asarray(largest / limit) if wanted is None else wanted
    scale, codes = _fitted(weights, ideal, -limit - 1, limit)
    vanished = ~codes.any(axis=2) & (largest > 0)
    return Parts(codes.astype(np.int8), scale, None, vanished, coarse(scale, ideal, codes, weights) & ~vanished)


def affine(weights: np.ndarray, bits: int, wanted: np.ndarray, offset: np.ndarray) -> Parts:
    """Unsigned codes.

    Parameters
    ----------
    weights: float64 [n, groups, 32].
    bits: of the codes.
    wanted, offset: scales and offsets [n, groups] before they are rounded.

    Raises
    ------
    ScaleError: a weight is not finite, or a scale or an offset beyond FP16.
    """
    check_finite(weights)
    offset = half(offset)
    rest = weights - offset.astype(np.float64)[:, :, None]
    scale, codes = _fitted(rest, wanted, 0, (1 << bits) - 1)
    return Parts(codes.astype(np.uint8), scale, offset, None, coarse(scale, wanted, codes, rest))


def _fitted(weights: np.ndarray, wanted: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """The FP16 scales [n, groups] nearest to the wanted ones, or the next where codes would not fit, and the codes."""
    scale = half(wanted)
    found = scale.astype(np.float64)
    codes = np.rint(weights / np.where(found == 0, np.inf, found)[:, :, None])
    over = (codes.min(axis=2) < low) | (codes.max(axis=2) > high) | ((found == 0) & (wanted != 0))
    scale[over] = np.nextafter(scale[over], np.copysign(np.inf, wanted[over]).astype(np.float16))
    codes[over] = np.rint(weights[over] / scale[over].astype(np.float64)[:, None])
    return scale, np.clip(codes, low, high)
