"""Operations that raise the chip's sticky flags. numpy only."""

import numpy as np

from .engine import PreparedMatrix, nonfinite
from .fp import clipped, round_fp16

__all__ = ["Flags"]

PRODUCT_ELEMENTS = 1 << 20
"""Bound of rows x groups x contexts of one engine call; keeps its intermediate arrays in a processor's cache."""


class Flags:
    """What its operations have seen so far.

    Attributes
    ----------
    nonfinite: an infinity or NaN has reached the engine.
    saturated: by name, in order of their first one, how many values FP16 has clipped.
    """

    def __init__(self):
        self.nonfinite = False
        self.saturated: dict[str, int] = {}

    def fp16(self, name: str, x) -> np.ndarray:
        """`round_fp16`, counted under ``name``."""
        if count := clipped(x):
            self.saturated[name] = self.saturated.get(name, 0) + count
        return round_fp16(x)

    def product(self, matrix: PreparedMatrix, x) -> np.ndarray:
        """GEMV of every row of x [contexts, elements], padded with zeros to whole groups."""
        padding = matrix.columns - x.shape[1]
        x = np.pad(x, ((0, 0), (0, padding))) if padding else x
        self.nonfinite |= nonfinite(x)
        at_once = max(1, PRODUCT_ELEMENTS // (matrix.rows * matrix.products))
        return np.concatenate([matrix.gemv(x[at:at + at_once]) for at in range(0, len(x), at_once)])
