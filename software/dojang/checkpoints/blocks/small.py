"""Blocks of 32 weights with a scale, or of 128: uint8 [n, bytes of a block] to codes, scale and offset, as `Parts`."""

import numpy as np

from .packing import halves, unpack
from .parts import LARGEST, Parts, ScaleError, half

__all__ = ["E2M1", "LEVELS", "read_iq4_nl", "read_mxfp4", "read_q1_0", "read_q4_0", "read_q4_1", "read_q5_0",
           "read_q5_1", "read_q8_0"]

LEVELS = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int8)
"""Of the four-bit types whose steps are not even."""

E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int8)
"""Twice the numbers of four bits: sign, two bits of exponent, one of mantissa."""

SMALLEST = 2.0 ** -24


def read_q1_0(blocks: np.ndarray) -> Parts:
    """A bit is the sign of 128 weights of one size d: d or -d is Q of one bit times 2 d, less d."""
    codes = np.unpackbits(np.ascontiguousarray(blocks[:, 2:]), axis=1, bitorder="little").reshape(-1, 4, 32)
    d = np.repeat(halves(blocks, 0), 4, axis=1)
    return Parts(codes, half(2 * d), half(-d))


def read_q4_0(blocks: np.ndarray) -> Parts:
    return _parts(unpack(blocks[:, 2:], 16, 4).view(np.int8) - np.int8(8), halves(blocks, 0))


def read_q4_1(blocks: np.ndarray) -> Parts:
    return _parts(unpack(blocks[:, 4:], 16, 4), halves(blocks, 0), halves(blocks, 2))


def read_q5_0(blocks: np.ndarray) -> Parts:
    return _parts(_five(blocks[:, 2:]).view(np.int8) - np.int8(16), halves(blocks, 0))


def read_q5_1(blocks: np.ndarray) -> Parts:
    return _parts(_five(blocks[:, 4:]), halves(blocks, 0), halves(blocks, 2))


def read_q8_0(blocks: np.ndarray) -> Parts:
    return _parts(np.ascontiguousarray(blocks[:, 2:]).view(np.int8), halves(blocks, 0))


def read_iq4_nl(blocks: np.ndarray) -> Parts:
    return _parts(LEVELS[unpack(blocks[:, 2:], 16, 4)], halves(blocks, 0))


def read_mxfp4(blocks: np.ndarray) -> Parts:
    """The scale is a power of two; below FP16's smallest the codes are shifted instead."""
    codes = E2M1[unpack(blocks[:, 1:], 16, 4)]
    scale = np.ldexp(1.0, blocks[:, :1].astype(np.int32) - 128)
    used = codes.any(axis=1, keepdims=True)
    if (used & (scale > LARGEST)).any():
        raise ScaleError(f"needs a scale of {scale[used].max():.3g}, beyond the range of FP16, {LARGEST:.0f}")
    held = np.where(used, np.maximum(scale, SMALLEST), SMALLEST)
    found = np.rint(codes * np.where(used, scale, SMALLEST) / held).astype(np.int8)
    vanished = np.logical_and(used, ~found.any(axis=1, keepdims=True))
    coarse = np.logical_and(used & ~vanished, (found * held != codes * scale).any(axis=1, keepdims=True))
    return Parts(found[:, None], held.astype(np.float16), None, vanished, coarse)


def _five(rest: np.ndarray) -> np.ndarray:
    """Four bytes with the fifth bits, then the nibbles."""
    top = np.unpackbits(np.ascontiguousarray(rest[:, :4]), axis=1, bitorder="little")
    return unpack(rest[:, 4:], 16, 4) | top << np.uint8(4)


def _parts(codes: np.ndarray, scale: np.ndarray, offset: np.ndarray | None = None) -> Parts:
    return Parts(codes[:, None], half(scale), None if offset is None else half(offset))
