"""Weights onto the nearest codes with one scale a group (numerics page, "Weights")."""

import numpy as np

from .parts import Parts, check_finite, coarse, half

__all__ = ["affine", "symmetric"]


def symmetric(weights: np.ndarray, bits: int, wanted: np.ndarray | None = None) -> Parts:
    """Signed codes.

    Parameters
    ----------
    weights: float64 [n, groups, 32].
    bits: of the codes, of which -2^(bits - 1) is not used.
    wanted: scales [n, groups] before they are rounded; None for the smallest that reach the largest weights.

    Raises
    ------
    ScaleError: a weight is not finite, or a scale beyond FP16.
    """
    check_finite(weights)
    limit = (1 << bits - 1) - 1
    largest = np.abs(weights).max(axis=2)
    if wanted is None:
        wanted = largest / limit
    scale = half(wanted, upwards=True)
    step = np.where(scale == 0, np.inf, scale.astype(np.float64))
    codes = np.clip(np.rint(weights / step[:, :, None]), -limit, limit).astype(np.int8)
    vanished = (np.rint(largest / step) == 0) & (largest > 0)
    return Parts(codes, scale, None, vanished, coarse(scale, wanted, codes, weights) & ~vanished)


def affine(weights: np.ndarray, bits: int, exact: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> Parts:
    """Unsigned codes and an offset.

    Parameters
    ----------
    weights: float64 [n, groups, 32].
    bits: of the codes.
    exact: bool [n, groups], where `scale` and `offset` [n, groups] are those of the weights; elsewhere the codes reach
        from the smallest weight to the largest.

    Raises
    ------
    ScaleError: a weight is not finite, or a scale or an offset beyond FP16.
    """
    check_finite(weights)
    limit = (1 << bits) - 1
    offset = half(np.where(exact, offset, weights.min(axis=2)))
    rest = weights - offset.astype(np.float64)[:, :, None]
    wanted = np.where(exact, scale, np.maximum(rest.max(axis=2), 0) / limit)
    scale = half(wanted, upwards=True)
    step = np.where(scale == 0, np.inf, scale.astype(np.float64))
    codes = np.clip(np.rint(rest / step[:, :, None]), 0, limit).astype(np.uint8)
    return Parts(codes, scale, offset, None, coarse(scale, wanted, codes, rest))
