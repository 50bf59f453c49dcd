"""Bit-plane and scale packing of docs/reference/layout.md, vectorised."""

import numpy as np
from dojang_hdl.config import WORD_BYTES

__all__ = ["pack_planes", "pack_scales", "plane_words", "round_up", "scale_words"]

_LOW_BITS = np.uint64(0x0101010101010101)
_GATHER = np.uint64(0x0102040810204080)
"""Multiplying eight 0/1 bytes by this collects them, byte 0 lowest, in the top byte."""


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def plane_words(rows: int, groups: int, bits: int) -> int:
    """Memory words of a plane stream; ``rows`` is a multiple of 4."""
    return rows * groups * bits // 4


def scale_words(rows: int, groups: int, affine: bool) -> int:
    """Memory words of a scale stream; each group starts on a new word."""
    return groups * -(-rows // (4 if affine else 8))


def pack_planes(codes: np.ndarray, bits: int, lanes: int) -> np.ndarray:
    """Plane stream, uint8, of integer codes [rows, groups, 32] (8-bit containers); rows a multiple of 4."""
    rows, groups, _ = codes.shape
    eights = np.ascontiguousarray(codes).view(np.uint64)  # [rows, groups, 4]: eight codes, byte 0 lowest
    stream = np.empty((groups, rows // lanes, bits, lanes, 4), np.uint8)
    for plane in range(bits):
        collected = (eights >> np.uint64(plane) & _LOW_BITS) * _GATHER >> np.uint64(56)
        lane_words = collected.astype(np.uint8).reshape(rows // lanes, lanes, groups, 4)
        stream[:, :, bits - 1 - plane] = lane_words.transpose(2, 0, 1, 3)
    return stream.reshape(-1)


def pack_scales(scale: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Scale stream, uint8, of FP16 scales and offsets [rows, groups]."""
    rows, groups = scale.shape
    values = scale if offset is None else np.stack([scale, offset], axis=-1)
    values = values.reshape(rows, groups, -1)
    size = round_up(rows * values.shape[2] * 2, WORD_BYTES) // 2
    stream = np.zeros((groups, size), "<f2")
    stream[:, :rows * values.shape[2]] = values.transpose(1, 0, 2).reshape(groups, -1)
    return stream.reshape(-1).view(np.uint8)
