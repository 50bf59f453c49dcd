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
    scale = half(ideal, upwards=True)
    step = np.where(scale == 0, np.inf, scale.astype(np.float64))
    codes = np.clip(np.rint(weights / step[:, :, None]), -limit - 1, limit).astype(np.int8)
    vanished = (np.rint(largest / step) == 0) & (largest > 0)
    return Parts(codes, scale, None, vanished, coarse(scale, ideal, codes, weights) & ~vanished)


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
    scale, offset = half(wanted, upwards=True), half(offset)
    step = np.where(scale == 0, np.inf, scale.astype(np.float64))
    rest = weights - offset.astype(np.float64)[:, :, None]
    codes = np.clip(np.rint(rest / step[:, :, None]), 0, (1 << bits) - 1).astype(np.uint8)
    return Parts(codes, scale, offset, None, coarse(scale, wanted, codes, rest))
