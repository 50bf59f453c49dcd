"""Blocks of 256 weights out of tables, which the package gguf has."""

import gguf
import numpy as np

from .neighbours import signed_neighbours
from .packing import halves
from .parts import Parts

__all__ = ["read_table"]

PARTS = 8
"""Weights are integers times an eighth of a block's FP16 number."""


def read_table(blocks: np.ndarray, name: str) -> Parts:
    """The type of that name; uint8 [n, bytes of a block]."""
    d = halves(_spread(blocks) if name == "IQ1_M" else blocks, 0)
    weights = gguf.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype(np.float64)
    integers = np.rint(weights * PARTS / np.where(d == 0, 1, d)).astype(np.int64).reshape(-1, 8, 2, 16)
    return signed_neighbours(integers, np.gcd.reduce(integers, axis=3), d / PARTS)


def _spread(blocks: np.ndarray) -> np.ndarray:
    """The FP16 number that IQ1_M has in the upper nibbles of four words, as two bytes of its own."""
    nibbles = blocks[:, -7::2] >> 4
    return nibbles[:, ::2] | nibbles[:, 1::2] << 4
