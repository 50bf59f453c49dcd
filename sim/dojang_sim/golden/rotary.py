"""Rotary embedding (docs/reference/numerics.md: Forward pass, Rotary tables). numpy only."""

import numpy as np

from .fp import add, mul

__all__ = ["rotary_tables", "rotate"]


def rotary_tables(rotation, key_dim: int, positions) -> tuple[np.ndarray, np.ndarray]:
    """Rows C and S, float32 [len(positions), key_dim], for `positions`; ``rotation``: of a `LayerKind`."""
    pairs, rotated = np.arange(rotation.dim // 2), slice(rotation.dim)
    theta = np.float64(rotation.base) ** (-2.0 * pairs / rotation.dim)
    if rotation.factors is not None:
        theta = theta / np.array(rotation.factors, np.float64)
    angle = np.asarray(positions, np.float64)[:, None] * theta
    cosine, sine = np.cos(angle) * rotation.magnitude, np.sin(angle) * rotation.magnitude
    C = np.ones((len(angle), key_dim), np.float32)
    S = np.zeros_like(C)
    C[:, rotated] = np.repeat(cosine, 2, axis=1)
    S[:, rotated] = np.stack([-sine, sine], axis=-1).reshape(S[:, rotated].shape)
    return C, S


def rotate(x, C, S) -> np.ndarray:
    """fl(fl(x·C) + fl(swap(x)·S)) for x [token, head, element]."""
    swapped = x.reshape(*x.shape[:-1], -1, 2)[..., ::-1].reshape(x.shape)
    return add(mul(x, C[:, None]), mul(swapped, S[:, None]))
