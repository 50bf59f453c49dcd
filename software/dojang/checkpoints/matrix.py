"""Weight matrices as integer codes in groups of 32 columns (numerics page, "Weights")."""

from dataclasses import dataclass

import numpy as np

from .errors import CheckpointError

BLOCK = 32
"""Columns that share a scale."""

BYTES_PER_BLOCK = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}
FLOAT_TYPES = ("F32", "F16", "BF16")
SUPPORTED_TYPES = (*FLOAT_TYPES, *BYTES_PER_BLOCK)


@dataclass(frozen=True, eq=False)
class Matrix:
    """One weight matrix; weight [r, c] is ``codes * scale + offset`` of its group.

    Parameters
    ----------
    name: tensor name, for messages.
    rows, cols: size of the matrix.
    codes: [rows, groups, 32], int8 if `signed` else uint8; columns from `cols` on are zero codes.
    bits: bits of a code, 1 to 8.
    signed: codes are two's complement.
    scale: float16 [rows, groups], finite.
    offset: float16 [rows, groups], finite, or None.
    source: type the checkpoint stores, e.g. ``"Q4_1"`` or ``"F16"``.
    """

    name: str
    rows: int
    cols: int
    codes: np.ndarray
    bits: int
    signed: bool
    scale: np.ndarray
    offset: np.ndarray | None
    source: str

    @property
    def groups(self) -> int:
        return self.codes.shape[1]

    @property
    def stored_exactly(self) -> bool:
        """The checkpoint stores these codes and scales, not floats that import has quantised."""
        return self.source in BYTES_PER_BLOCK

    @property
    def stored_bytes(self) -> int:
        """Bytes of codes, scales and offsets, padding columns included."""
        parameters = 1 if self.offset is None else 2
        return self.rows * self.groups * (self.bits * BLOCK // 8 + 2 * parameters)

    @property
    def bits_per_weight(self) -> float:
        """All-in: codes, scales, offsets and padding columns, over real weights."""
        return self.stored_bytes * 8 / (self.rows * self.cols)

    def dequantize(self) -> np.ndarray:
        """float32 [rows, cols], computed as GGUF does."""
        weights = self.codes.astype(np.float32) * self.scale.astype(np.float32)[:, :, None]
        if self.offset is not None:
            weights += self.offset.astype(np.float32)[:, :, None]
        return weights.reshape(self.rows, -1)[:, :self.cols]


def from_blocks(name: str, raw: np.ndarray, source: str) -> Matrix:
    """Take a block-quantised matrix over without loss; ``raw`` is uint8 [rows, bytes of a row] of whole blocks."""
    rows, size = raw.shape
    blocks = raw.reshape(rows, size // BYTES_PER_BLOCK[source], BYTES_PER_BLOCK[source])
    scale, offset = _halves(blocks, 0), None
    if source == "Q8_0":
        codes, bits, signed = np.ascontiguousarray(blocks[:, :, 2:]).view(np.int8), 8, True
    else:
        if source == "Q4_1":
            offset = _halves(blocks, 2)
        nibbles = blocks[:, :, -16:]
        codes, bits, signed = np.empty((rows, blocks.shape[1], BLOCK), np.uint8), 4, False
        np.bitwise_and(nibbles, 15, out=codes[:, :, :16])
        np.right_shift(nibbles, 4, out=codes[:, :, 16:])
        if source == "Q4_0":
            codes = codes.view(np.int8)
            codes -= 8
            signed = True
    _check_finite(name, scale, offset)
    return Matrix(name, rows, blocks.shape[1] * BLOCK, codes, bits, signed, scale, offset, source)


def quantize(name: str, weights: np.ndarray, source: str, bits: int = 8) -> Matrix:
    """Quantise a float matrix to groups of 32 columns with one FP16 scale (symmetric, signed)."""
    rows, cols = weights.shape
    groups, limit = -(-cols // BLOCK), (1 << bits - 1) - 1
    codes, scale = np.empty((rows, groups, BLOCK), np.int8), np.empty((rows, groups), np.float16)
    for start in range(0, rows, 1024):  # bounds the float64 temporaries
        part = np.zeros((min(1024, rows - start), groups * BLOCK))
        part[:, :cols] = weights[start:start + 1024]
        if not np.isfinite(part).all():
            raise CheckpointError(f"tensor {name} holds NaN or infinite weights")
        part = part.reshape(len(part), groups, BLOCK)
        with np.errstate(over="ignore"):
            d = (np.abs(part).max(axis=2) / limit).astype(np.float16)
        divisor = np.where(d == 0, np.inf, d.astype(np.float64))
        codes[start:start + 1024] = np.clip(np.rint(part / divisor[:, :, None]), -limit, limit)
        scale[start:start + 1024] = d
    _check_finite(name, scale, None)
    return Matrix(name, rows, cols, codes, bits, True, scale, None, source)


def _halves(blocks: np.ndarray, at: int) -> np.ndarray:
    return np.ascontiguousarray(blocks[:, :, at:at + 2]).view(np.float16)[:, :, 0]


def _check_finite(name: str, scale: np.ndarray, offset: np.ndarray | None) -> None:
    if not np.isfinite(scale).all() or (offset is not None and not np.isfinite(offset).all()):
        raise CheckpointError(f"tensor {name} holds a NaN or infinite scale")
