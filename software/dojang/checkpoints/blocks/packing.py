"""Fields of a few bits inside the bytes of blocks."""

import numpy as np

from .parts import check_finite

__all__ = ["halves", "pack", "unpack"]


def unpack(packed: np.ndarray, step: int, bits: int) -> np.ndarray:
    """uint8 [n, bytes] to fields, uint8 [n, bytes * 8 / bits].

    Of every ``step`` bytes first the lowest fields of all, then the next higher ones.
    """
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    fields = packed.reshape(len(packed), -1, 1, step) >> shifts & np.uint8((1 << bits) - 1)
    return fields.reshape(len(packed), -1)


def pack(fields: np.ndarray, step: int, bits: int) -> np.ndarray:
    """The inverse of `unpack`."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)[:, None]
    parts = fields.astype(np.uint8).reshape(len(fields), -1, len(shifts), step) << shifts
    return np.bitwise_or.reduce(parts, axis=2).reshape(len(fields), -1)


def halves(blocks: np.ndarray, at: int) -> np.ndarray:
    """The little-endian FP16 value at byte ``at`` of each block, float64 [n, 1]; `ScaleError` if one is not finite."""
    values = np.ascontiguousarray(blocks[:, at:at + 2]).view("<f2").astype(np.float64)
    check_finite(values)
    return values
