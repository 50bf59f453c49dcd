"""Blocks of 256 weights, whose smaller blocks have integer scales: uint8 [n, bytes of a block] to `Parts`."""

import numpy as np

from .nearest import affine
from .neighbours import affine_neighbours, signed_neighbours
from .packing import halves, unpack
from .parts import Parts, half
from .small import LEVELS

__all__ = ["read_iq4_xs", "read_q2_k", "read_q3_k", "read_q4_k", "read_q5_k", "read_q6_k", "read_tq1_0",
           "read_tq2_0", "six_bits"]

def read_q4_k(blocks: np.ndarray) -> Parts:
    return _with_minima(blocks, unpack(blocks[:, 16:], 32, 4))


def read_q5_k(blocks: np.ndarray) -> Parts:
    return _with_minima(blocks, unpack(blocks[:, 48:], 32, 4) | unpack(blocks[:, 16:48], 32, 1) << np.uint8(4))


def read_q2_k(blocks: np.ndarray) -> Parts:
    """Sixteen weights share integer scale and minimum."""
    d, least = halves(blocks, 80), halves(blocks, 82)
    scales = (d * (blocks[:, :16] & 15)).reshape(-1, 8, 2)
    minima = -(least * (blocks[:, :16] >> 4)).reshape(-1, 8, 2)
    codes = unpack(blocks[:, 16:80], 32, 2).reshape(-1, 8, 2, 16)
    weights = (codes * scales[..., None] + minima[..., None]).reshape(-1, 8, 32)
    return affine(weights, 8, *affine_neighbours(scales, minima))


def read_q3_k(blocks: np.ndarray) -> Parts:
    """Scale times code fits into eight bits; -32 times -4 does with the other sign."""
    low, high = unpack(blocks[:, 96:104], 8, 4), unpack(blocks[:, 104:108], 4, 2)
    scales = (low | high << np.uint8(4)).astype(np.int16) - 32
    codes = unpack(blocks[:, 32:96], 32, 2).astype(np.int16) - 4 * (1 - unpack(blocks[:, :32], 32, 1).astype(np.int16))
    integers = (codes.reshape(-1, 16, 16) * scales[:, :, None]).reshape(-1, 8, 32)
    sign = np.where(integers.max(axis=2) > 127, -1, 1).astype(np.int16)
    return Parts((integers * sign[:, :, None]).astype(np.int8), half(halves(blocks, 108) * sign))


def read_q6_k(blocks: np.ndarray) -> Parts:
    """Sixteen weights share an integer scale."""
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8).astype(np.int64)
    codes = unpack(blocks[:, :128], 64, 4) | unpack(blocks[:, 128:192], 32, 2) << np.uint8(4)
    integers = (codes.astype(np.int64).reshape(-1, 16, 16) - 32) * scales[:, :, None]
    return signed_neighbours(integers.reshape(-1, 8, 2, 16), np.abs(scales).reshape(-1, 8, 2), halves(blocks, 208))


def read_iq4_xs(blocks: np.ndarray) -> Parts:
    scales = (unpack(blocks[:, 4:8], 1, 4) | unpack(blocks[:, 2:4], 1, 2) << np.uint8(4)).astype(np.int64) - 32
    codes = LEVELS[unpack(blocks[:, 8:], 16, 4)]
    return Parts(codes.reshape(-1, 8, 32), half(halves(blocks, 0) * scales))


def read_tq1_0(blocks: np.ndarray) -> Parts:
    """Five digits to the base of three in a byte, as a fraction."""
    parts = [_digits(blocks[:, :32], 5), _digits(blocks[:, 32:48], 5), _digits(blocks[:, 48:52], 4)]
    return _ternary(np.concatenate(parts, axis=1).astype(np.int8) - np.int8(1), halves(blocks, 52))


def read_tq2_0(blocks: np.ndarray) -> Parts:
    """Two bits of two's complement have -2 for a field of three, which is 2: with the other sign."""
    return _ternary(np.int8(1) - unpack(blocks[:, :64], 32, 2).view(np.int8), -halves(blocks, 64))


def six_bits(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twelve bytes to eight scales and eight minima of six bits, uint8 [n, 8] each."""
    first, second, both = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = np.concatenate([first & 63, both & 15 | first >> 2 & 48], axis=1)
    return scales, np.concatenate([second & 63, both >> 4 | second >> 2 & 48], axis=1)


def _with_minima(blocks: np.ndarray, codes: np.ndarray) -> Parts:
    scales, minima = six_bits(blocks[:, 4:16])
    return Parts(codes.reshape(-1, 8, 32), half(halves(blocks, 0) * scales), half(-halves(blocks, 2) * minima))


def _digits(packed: np.ndarray, count: int) -> np.ndarray:
    powers = 3 ** np.arange(count, dtype=np.uint8)[:, None]
    fractions = (packed[:, None] * powers.astype(np.uint8)).reshape(len(packed), -1)
    return fractions.astype(np.uint16) * 3 >> 8


def _ternary(codes: np.ndarray, scale: np.ndarray) -> Parts:
    return Parts(codes.reshape(-1, 8, 32), half(np.repeat(scale, 8, axis=1)))
