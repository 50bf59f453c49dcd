"""Golden model of the compressed-weight engine (docs/reference/numerics.md: Alignment, GEMV). numpy only.

Integer dot products are done by BLAS in float32: every partial sum is an integer below 2^24 in magnitude, so
whatever order BLAS sums in, the result is exact.
"""

import numpy as np

__all__ = ["BLOCK", "PreparedMatrix", "align", "gemv", "nonfinite"]

BLOCK = 32
_FRACTION = 14                 # q = x * 2^(14 - E): 15 magnitude bits
_LIMIT = 32767
_E_MIN, _E_MAX = -64, 64
_SPLIT = 256.0
_FLOAT32_CODE = 2 ** 24 // (BLOCK * (_LIMIT + 1))
"""Codes below this magnitude keep a block's dot product with whole aligned integers below 2^24."""


def _power_of_two(exponent):
    """2^exponent as float32, built from the bit pattern; -126 <= exponent <= 127."""
    return ((np.asarray(exponent, np.int32) + 127) << 23).view(np.float32)


def _aligned(x):
    """`align` with q and X left as float32 (they are integers below 2^24)."""
    x = np.ascontiguousarray(x, np.float32)
    if x.shape[-1] % BLOCK:
        raise ValueError(f"{x.shape[-1]} elements are not a multiple of {BLOCK}")
    x = x.reshape(*x.shape[:-1], -1, BLOCK)
    magnitude = x.view(np.uint32) & 0x7FFFFFFF
    counts = (magnitude >= (_E_MIN + 127) << 23) & (magnitude <= 0x7F800000)
    biased = np.where(counts, magnitude >> 23, 0).max(axis=-1).astype(np.int32)
    exponent = np.clip(biased - 127, _E_MIN, _E_MAX)
    scaled = np.where(counts, x, np.float32(0)) * _power_of_two(_FRACTION - exponent)[..., None]
    q = np.clip(np.rint(scaled), -_LIMIT, _LIMIT) + np.float32(0)
    return q, exponent, q.sum(axis=-1)


def align(x):
    """Blocks of 32 elements as integers that share an exponent.

    ``x``: float32 [..., n * 32]. Returns ``q`` int32 [..., n, 32] with |q| <= 32767, ``E`` int32 [..., n] in -64 ... 64
    and ``X`` int32 [..., n], the sum of each block's q. A NaN counts as a zero.
    """
    q, exponent, total = _aligned(x)
    return q.astype(np.int32), exponent, total.astype(np.int32)


def nonfinite(x) -> bool:
    """Whether aligning ``x`` raises the sticky error `nonfinite`: an infinity or a NaN among the elements."""
    return not np.isfinite(np.asarray(x, np.float32)).all()


class PreparedMatrix:
    """A weight matrix held for repeated products.

    ``codes``: integers [R, G, 32], already signed or unsigned (-255 ... 255); ``scale`` and ``offset``: float16 [R, G]
    or None (an offset needs a scale). Costs 4 bytes a weight.
    """

    def __init__(self, codes, scale=None, offset=None):
        codes = np.asarray(codes)
        if codes.ndim != 3 or codes.shape[2] != BLOCK:
            raise ValueError(f"codes have shape {codes.shape}, expected [rows, groups, {BLOCK}]")
        if offset is not None and scale is None:
            raise ValueError("an offset without a scale")
        self.rows, self.groups = codes.shape[:2]
        for name, factor in (("scale", scale), ("offset", offset)):
            if factor is not None and np.shape(factor) != codes.shape[:2]:
                raise ValueError(f"{name} has shape {np.shape(factor)}, expected {codes.shape[:2]}")
        low, high = (int(codes.min()), int(codes.max())) if codes.size else (0, 0)
        if max(-low, high) > 255:
            raise ValueError(f"codes from {low} to {high}, expected -255 to 255")
        self._wide = max(-low, high) > _FLOAT32_CODE
        self._codes = np.ascontiguousarray(codes.transpose(1, 0, 2), np.float32)
        self._scale, self._offset = (
            None if factor is None else np.ascontiguousarray(np.asarray(factor, np.float16).T, np.float32)[..., None]
            for factor in (scale, offset))

    def _dot(self, q):
        """Exact I [G, R, C] of aligned q [G, 32, C]: float32, or float64 where float32 could not hold it."""
        if not self._wide:
            return self._codes @ q
        high = np.rint(q / np.float32(_SPLIT))
        low = q - high * np.float32(_SPLIT)
        parts = (self._codes @ np.concatenate([high, low], axis=2)).astype(np.float64)
        contexts = q.shape[2]
        return parts[..., :contexts] * _SPLIT + parts[..., contexts:]

    def gemv(self, x):
        """y float32 [R] of x float32 [G * 32], or [C, R] of [C, G * 32], bit-exact to numerics.md."""
        x = np.asarray(x, np.float32)
        if x.ndim not in (1, 2) or x.shape[-1] != self.groups * BLOCK:
            raise ValueError(f"x has shape {x.shape}, expected [{self.groups * BLOCK}] or [contexts, the same]")
        q, exponent, total = _aligned(np.atleast_2d(x))
        dot = self._dot(np.ascontiguousarray(q.transpose(1, 2, 0)))
        if self._scale is None:
            t = dot.astype(np.float32)
        else:
            t = (self._scale * dot).astype(np.float32, copy=False)
        if self._offset is not None:
            t += self._offset * total.T[:, None, :]
        t *= _power_of_two(exponent - _FRACTION).T[:, None, :]
        y = np.zeros(t.shape[1:], np.float32)
        for group in t:
            y += group
        return np.ascontiguousarray(y.T).reshape(*x.shape[:-1], self.rows)


def gemv(codes, scale, offset, x):
    """One product with a matrix that is not kept; see `PreparedMatrix` for shapes."""
    return PreparedMatrix(codes, scale, offset).gemv(x)
