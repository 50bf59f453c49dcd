"""Two blocks of 16 weights in a group of 32, which has one scale: the step that suits both."""

import numpy as np

from .nearest import symmetric
from .parts import Parts

__all__ = ["affine_neighbours", "signed_neighbours"]

STEPS = 16
"""Steps that are tried for two blocks with minima; the scales of Q2_K are integers below it."""


def signed_neighbours(integers: np.ndarray, scales: np.ndarray, unit: np.ndarray) -> Parts:
    """Weights onto codes of 8 bits, in a step that makes one of two blocks exact, or both, if that pays.

    Parameters
    ----------
    integers: weights [n, 8, 2, 16] in the unit.
    scales: what they are multiples of, [n, 8, 2], not negative.
    unit: float64 [n, 1].
    """
    integers = integers.reshape(-1, 8, 32)
    low, high = -integers.min(axis=2), integers.max(axis=2)
    largest, limit = np.maximum(low, high), np.where(low == high, 127, 128)  # -128 is a code, 128 is none
    common = np.gcd(scales[:, :, 0], scales[:, :, 1])
    parts = limit[:, :, None] * scales // np.maximum(largest, 1)[:, :, None]
    step = np.where(parts > 0, scales / np.maximum(parts, 1), np.inf).min(axis=2)
    step = np.where(step ** 2 < 2 * (largest / limit) ** 2, step, largest / limit)  # or neither is
    step = np.where(largest <= limit * common, common, step)
    wanted = np.where(largest > 0, step, 0) * unit * np.where(high > low, -1, 1)
    return symmetric(integers * unit[:, :, None], 8, wanted)


def affine_neighbours(scales: np.ndarray, minima: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and offset, float64 [n, 8], for codes of 8 bits that make the block with the larger scale exact.

    Parameters
    ----------
    scales, minima: of weights scale * (0 … 3) + minimum, float64 [n, 8, 2].
    """
    ends = np.stack([minima, minima + 3 * scales])
    low = ends.min(axis=(0, 3))
    span = ends.max(axis=(0, 3)) - low
    larger = np.abs(scales).argmax(axis=2)[..., None]
    own, other = (np.take_along_axis(scales, index, axis=2)[..., 0] for index in (larger, 1 - larger))
    start, others = (np.take_along_axis(minima, index, axis=2)[..., 0] for index in (larger, 1 - larger))
    start, own = np.minimum(start, start + 3 * own), np.abs(own)
    finest = 254 * own // np.where(span > 0, span, 1)  # one code is for where the steps begin
    scale, offset = np.where(own > 0, span / 255, span), low
    best = np.full(own.shape, np.inf)
    for fewer in range(STEPS):
        parts = finest - fewer
        step = own / np.maximum(parts, 1)
        begin = start - step * np.ceil((start - low) / np.where(step > 0, step, 1))
        levels = [(others + code * other - begin) / np.where(step > 0, step, 1) for code in range(4)]
        error = step ** 2 * sum((level - np.rint(level)) ** 2 for level in levels)
        better = (parts > 0) & (error < best)
        best, scale, offset = (np.where(better, new, old) for new, old in
                               ((error, best), (step, scale), (begin, offset)))
    return scale, offset
