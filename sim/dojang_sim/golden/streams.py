"""Plane and scale streams as docs/reference/layout.md defines them, read back into codes and scales. numpy only."""

import numpy as np

__all__ = ["insert_value", "lane_words", "unpack_planes", "unpack_scales"]


def unpack_planes(stream: np.ndarray, rows: int, groups: int, bits: int, signed: bool, lanes: int) -> np.ndarray:
    """Integer codes [rows, groups, 32] of a plane stream (uint8)."""
    planes = np.unpackbits(stream.reshape(groups, rows // lanes, bits, lanes, 4), axis=-1, bitorder="little")
    codes = np.zeros((groups, rows // lanes, lanes, 32), np.int16)
    for i in range(bits):
        weight = 1 << bits - 1 - i
        codes += planes[:, :, i] * np.int16(-weight if signed and i == 0 else weight)
    return codes.reshape(groups, rows, 32).transpose(1, 0, 2)


def unpack_scales(stream: np.ndarray, rows: int, groups: int, affine: bool):
    """(scale, offset or None), float16 [rows, groups], of a scale stream (uint8)."""
    values = stream.view("<f2").reshape(groups, -1)[:, :rows * (1 + affine)].T
    return (values[0::2], values[1::2]) if affine else (values, None)


def _plane_bits(codes: np.ndarray) -> np.ndarray:
    """Planes of INT8 codes along a new first axis, most significant first."""
    return codes.view(np.uint8) >> np.arange(7, -1, -1, dtype=np.uint8).reshape(8, *[1] * codes.ndim) & 1


def lane_words(codes: np.ndarray) -> np.ndarray:
    """The eight 32-bit lane words, uint8 [8, 4], of one row's 32 INT8 codes."""
    return np.packbits(_plane_bits(codes), axis=-1, bitorder="little")


def insert_value(tile: np.ndarray, codes: np.ndarray, bit: int, lanes: int) -> np.ndarray:
    """A V tile (uint8) with bit `bit` of every lane word replaced by the planes of INT8 codes, one per row."""
    words = tile.view("<u4").reshape(len(codes) // lanes, 8, lanes)
    planes = _plane_bits(codes).astype(np.uint32).reshape(8, -1, lanes).transpose(1, 0, 2)
    replaced = words & ~np.uint32(1 << bit) | planes << np.uint32(bit)
    return replaced.astype("<u4").reshape(-1).view(np.uint8)
