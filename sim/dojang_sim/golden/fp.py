"""FP32 arithmetic of the chip on ``np.float32`` arrays, bit for bit (docs/reference/numerics.md, Formats).

Every function takes arrays or scalars, broadcasts like numpy, raises no floating-point warnings and returns an
array (0-d for scalars). A denormal result is one that IEEE rounding makes denormal; it becomes a zero of its sign.
"""

import numpy as np

__all__ = ["FP16_MAX", "add", "canonical", "clipped", "flush", "from_int", "mul", "round_fp16", "round_int8"]

FP16_MAX = np.float32(65504)
FP16_OVERFLOW = np.float32(65520)
"""Smallest magnitude that IEEE rounding would make an infinity."""

_MIN_NORMAL = np.float32(2.0 ** -126)
_NAN = np.uint32(0x7FC00000).view(np.float32)
_quiet = np.errstate(all="ignore")


@_quiet
def flush(x) -> np.ndarray:
    """Denormals become zeros of the same sign; everything else, NaN payloads included, is unchanged."""
    x = np.asarray(x, np.float32)
    return np.where(np.abs(x) < _MIN_NORMAL, np.copysign(np.float32(0), x), x)


def canonical(x) -> np.ndarray:
    """Every NaN becomes ``0x7FC00000``."""
    x = np.asarray(x, np.float32)
    return np.where(np.isnan(x), _NAN, x)


@_quiet
def add(a, b) -> np.ndarray:
    """fl(a + b)"""
    return canonical(flush(flush(a) + flush(b)))


@_quiet
def mul(a, b) -> np.ndarray:
    """fl(a · b)"""
    return canonical(flush(flush(a) * flush(b)))


@_quiet
def from_int(a, e=0) -> np.ndarray:
    """fl(a · 2^e) for int64 ``a`` and integer ``e`` in −512 … 511, one rounding; a = 0 gives +0."""
    a = np.asarray(a, np.int64)
    magnitude = np.abs(a).view(np.uint64)  # abs(-2^63) wraps to the right unsigned value
    # Above 53 bits: the low eleven bits become one sticky bit, so that float64 is exact and rounds once, to float32.
    wide = magnitude >> np.uint64(53) != 0
    sticky = magnitude >> np.uint64(11) | ((magnitude & np.uint64(0x7FF)) != 0)
    exact = np.where(wide, sticky, magnitude).astype(np.float64)
    value = np.ldexp(exact, np.where(wide, 11, 0) + np.asarray(e, np.int64))
    return flush(np.where(a < 0, -value, value).astype(np.float32))


@_quiet
def round_fp16(x) -> np.ndarray:
    """Nearest FP16 value (ties to even, denormals kept, saturating at ±65504), as FP32."""
    x = flush(x)
    return canonical(np.clip(x, -FP16_MAX, FP16_MAX).astype(np.float16).astype(np.float32))


def clipped(x) -> int:
    """How many elements of x `round_fp16` saturates: finite or infinite ones of magnitude 65520 and more, no NaN."""
    x = np.asarray(x, np.float32)
    if x.size and (x.max() < FP16_OVERFLOW and x.min() > -FP16_OVERFLOW):  # not so if one is NaN
        return 0
    return int(np.count_nonzero(np.abs(x) >= FP16_OVERFLOW))


@_quiet
def round_int8(x) -> np.ndarray:
    """Nearest integer (ties to even) clamped to ±127, NaN gives 0; ``np.int8``."""
    x = np.asarray(x, np.float32)
    return np.where(np.isnan(x), np.float32(0), np.clip(np.rint(x), -127, 127)).astype(np.int8)
