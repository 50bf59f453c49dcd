"""exp2, reciprocal and reciprocal square root as the chip computes them (docs/reference/special-functions.md).

All three are 128-segment quadratics in integers. The functions take and return ``np.float32`` arrays, broadcast
like numpy, never warn, and are within 1 ulp of the exact value (the page has the bounds).
"""

import numpy as np

__all__ = ["exp2", "recip", "rsqrt", "table"]

SEGMENTS = 128
C0_BITS, C1_BITS, C2_BITS = 28, 21, 13
"""Fraction bits of the coefficients."""

_INF = 0x7F800000
_NAN = 0x7FC00000

_INTERVALS = {
    "exp2": lambda u: np.exp2(u) / 2,
    "recip": lambda u: 1 / (1 + u),
    "rsqrt_even": lambda u: 1 / np.sqrt(1 + u),
    "rsqrt_odd": lambda u: 1 / np.sqrt(2 + 2 * u),
}


def table(name: str) -> np.ndarray:
    """Integer coefficients (c0, c1, c2) of an interval's segments; shape (128, 3)."""
    f = _INTERVALS[name]
    centre = (np.arange(SEGMENTS) + 0.5) / SEGMENTS
    d = np.sqrt(3) / 4 / SEGMENTS  # Chebyshev nodes of degree 2: the centre and ±√3/2 of the half width
    low, mid, high = f(centre - d), f(centre), f(centre + d)
    c1 = (high - low) / (2 * d)
    c2 = (high + low - 2 * mid) / (2 * d * d)
    columns = mid * 2.0 ** C0_BITS, c1 * 2.0 ** C1_BITS, c2 * 2.0 ** C2_BITS
    return np.rint(np.stack(columns, axis=-1)).astype(np.int64)


_EXP2 = table("exp2")
_RECIP = table("recip")
_RSQRT = np.concatenate([table("rsqrt_even"), table("rsqrt_odd")])


def _evaluate(coefficients, segment, t):
    """The function on a segment at t (18 bits), rounded to 24 fraction bits: an integer in 2^23 … 2^24."""
    c0, c1, c2 = np.moveaxis(coefficients[segment], -1, 0)
    v = t - (1 << 17)
    s = c1 + (c2 * v >> 17)
    r = c0 + (s * v >> 18)
    return r + 8 >> 4


def _fields(x):
    """Bits, sign, biased exponent and fraction, each int64."""
    bits = np.ascontiguousarray(np.asarray(x, np.float32)).view(np.uint32).astype(np.int64).reshape(np.shape(x))
    return bits, bits >> 31, bits >> 23 & 0xFF, bits & 0x7FFFFF


def _float(bits):
    return np.asarray(bits).astype(np.uint32).view(np.float32)


def exp2(x) -> np.ndarray:
    """2^x"""
    bits, sign, exponent, fraction = _fields(x)
    mantissa = np.where(exponent == 0, 0, fraction | 1 << 23)
    left = np.clip(exponent - 125, 0, 9)
    right = np.clip(125 - exponent, 0, 26)
    magnitude = np.where(exponent >= 125, mantissa << left, (mantissa << 1 >> right) + 1 >> 1)
    n = np.where(sign == 1, -magnitude, magnitude)
    y = _evaluate(_EXP2, n >> 18 & 0x7F, n & 0x3FFFF)
    result = ((n >> 25) + 127 << 23) + y - (1 << 23)
    result = np.where((exponent >= 134) & (sign == 0), _INF, result)
    below = bits > 0xC2FC0000  # -126.0
    result = np.where(below, 0, result)
    return _float(np.where((exponent == 255) & (fraction != 0), _NAN, result))


def recip(x) -> np.ndarray:
    """1 / x"""
    _, sign, exponent, fraction = _fields(x)
    y = _evaluate(_RECIP, fraction >> 16, (fraction & 0xFFFF) << 2)
    result = (253 - exponent << 23) + y - (1 << 23)
    result = np.where(result < 1 << 23, 0, result)
    result = np.where(exponent == 0, _INF, result)
    result = np.where(exponent == 255, 0, result) | sign << 31
    return _float(np.where((exponent == 255) & (fraction != 0), _NAN, result))


def rsqrt(x) -> np.ndarray:
    """1 / sqrt(x)"""
    _, sign, exponent, fraction = _fields(x)
    odd = (exponent - 127) & 1
    y = _evaluate(_RSQRT, odd << 7 | fraction >> 16, (fraction & 0xFFFF) << 2)
    result = (126 - (exponent - 127 >> 1) << 23) + y - (1 << 23)
    result = np.where(exponent == 255, 0, result)
    result = np.where(sign == 1, _NAN, result)
    result = np.where(exponent == 0, _INF, result)
    return _float(np.where((exponent == 255) & (fraction != 0), _NAN, result))
