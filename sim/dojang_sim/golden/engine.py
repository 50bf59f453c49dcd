"""Golden model of the compressed-weight engine (docs/reference/numerics.md: Alignment, GEMV). numpy only.

Integer dot products are done by BLAS in float32: every partial sum is an integer below 2^24 in magnitude, so
whatever order BLAS sums in, the result is exact.
"""

import numpy as np

__all__ = ["BLOCK", "PreparedMatrix", "align", "gemv", "nonfinite"]

BLOCK = 32
_TURNED = 64                   # elements of a Walsh-Hadamard transform
_TURN_EXPONENT = 3             # its factor 1/8
_FRACTION = 14                 # q = x * 2^(14 - E): 15 magnitude bits
_LIMIT = 32767
_E_MIN, _E_MAX = -64, 64
_SPLIT = 256.0
_EXACT = 2 ** 24


def _power_of_two(exponent):
    """2^exponent as float32, built from the bit pattern; -126 <= exponent <= 127."""
    return ((np.asarray(exponent, np.int32) + 127) << 23).view(np.float32)


def _aligned(x, group=BLOCK, rotated=False):
    """`align` with q and X left as float32 (they are integers below 2^24)."""
    x = np.ascontiguousarray(x, np.float32)
    if group not in (BLOCK, 2 * BLOCK, 4 * BLOCK) or (rotated and group % _TURNED):
        raise ValueError(f"groups of {group} elements{', rotated' if rotated else ''}")
    if x.shape[-1] % group:
        raise ValueError(f"{x.shape[-1]} elements are not a multiple of {group}")
    x = x.reshape(*x.shape[:-1], -1, group)
    magnitude = x.view(np.uint32) & 0x7FFFFFFF
    counts = (magnitude >= (_E_MIN + 127) << 23) & (magnitude <= 0x7F800000)
    biased = np.where(counts, magnitude >> 23, 0).max(axis=-1).astype(np.int32)
    exponent = np.clip(biased - 127, _E_MIN, _E_MAX)
    scaled = np.where(counts, x, np.float32(0)) * _power_of_two(_FRACTION - exponent)[..., None]
    q = np.clip(np.rint(scaled), -_LIMIT, _LIMIT) + np.float32(0)
    if rotated:
        q, exponent = _turned(q, exponent)
    return q, exponent, q.sum(axis=-1)


def _turned(q, exponent):
    """Walsh-Hadamard transforms of q, rounded to 16 bits once more on the smallest exponent that holds the group."""
    index = np.arange(_TURNED)
    matrix = np.where(np.bitwise_count(index[:, None] & index) & 1, np.float32(-1), np.float32(1))
    r = (q.reshape(*q.shape[:-1], -1, _TURNED) @ matrix).reshape(q.shape)
    shift = np.zeros(exponent.shape, np.int32)
    for places in range(6):
        limit = np.float32(1 << 15 + places)
        shift += ((r < -limit) | (r >= limit)).any(axis=-1)
    q = np.clip(np.rint(r * _power_of_two(-shift)[..., None]), -_LIMIT, _LIMIT) + np.float32(0)
    return q, exponent + shift - _TURN_EXPONENT


def align(x, group=BLOCK, rotated=False):
    """Groups of ``group`` elements (32, 64 or 128) as integers that share an exponent; ``rotated``: transformed.

    ``x``: float32 [..., n * group]. Returns ``q`` int32 [..., n, group] with |q| <= 32767, ``E`` int32 [..., n] and
    ``X`` int32 [..., n], the sum of each group's q. A NaN counts as a zero.
    """
    q, exponent, total = _aligned(x, group, rotated)
    return q.astype(np.int32), exponent, total.astype(np.int32)


def nonfinite(x) -> bool:
    """Whether aligning ``x`` raises the sticky error `nonfinite`: an infinity or a NaN among the elements."""
    return not np.isfinite(np.asarray(x, np.float32)).all()


class PreparedMatrix:
    """A weight matrix held for repeated products. Costs 4 bytes a weight.

    Parameters
    ----------
    values: integers [R, P, n] that the scales multiply, (Q << double) + zero of the numerics page; n is the size of a
        group, P the products of a row: its groups, each ``terms`` times.
    scale: float16 [R, P], or [R] for one scale a row, or None.
    offset: float16 [R, P] or None; needs a scale.
    rotated: of transformed activations.
    terms: products of each group of activations.
    """

    def __init__(self, values, scale=None, offset=None, rotated=False, terms=1):
        values = np.asarray(values)
        if values.ndim != 3 or values.shape[2] not in (BLOCK, 2 * BLOCK, 4 * BLOCK):
            raise ValueError(f"values have shape {values.shape}, expected [rows, groups, {BLOCK}, {2 * BLOCK} or "
                             f"{4 * BLOCK}]")
        if offset is not None and scale is None:
            raise ValueError("an offset without a scale")
        self.rows, self.group = values.shape[0], values.shape[2]
        if values.shape[1] % terms:
            raise ValueError(f"{values.shape[1]} products a row, expected a multiple of {terms} terms")
        self.groups, self._terms, self._rotated = values.shape[1] // terms, terms, rotated
        if scale is not None and np.ndim(scale) == 1:
            scale = np.broadcast_to(np.asarray(scale)[:, None], (len(scale), values.shape[1]))
        for name, factor in (("scale", scale), ("offset", offset)):
            if factor is not None and np.shape(factor) != values.shape[:2]:
                raise ValueError(f"{name} has shape {np.shape(factor)}, expected {values.shape[:2]}")
        low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
        largest, limit = max(-low, high), min(1022, (1 << 28) // (self.group << 15))
        if largest > limit:
            raise ValueError(f"values from {low} to {high}, expected -{limit} to {limit}")
        self._wide = largest * self.group * (_LIMIT + 1) > _EXACT
        self._codes = np.ascontiguousarray(values.transpose(1, 0, 2), np.float32)
        self._scale, self._offset = (
            None if factor is None else np.ascontiguousarray(np.asarray(factor, np.float16).T, np.float32)[..., None]
            for factor in (scale, offset))

    @property
    def columns(self) -> int:
        """Elements of x."""
        return self.groups * self.group

    @property
    def products(self) -> int:
        """Scaled dot products of a row."""
        return self.groups * self._terms

    def _dot(self, q):
        """Exact I [P, R, C] of aligned q [P, n, C]: float32, or float64 where float32 could not hold it."""
        if not self._wide:
            return self._codes @ q
        high = np.rint(q / np.float32(_SPLIT))
        low = q - high * np.float32(_SPLIT)
        parts = (self._codes @ np.concatenate([high, low], axis=2)).astype(np.float64)
        contexts = q.shape[2]
        return parts[..., :contexts] * _SPLIT + parts[..., contexts:]

    def gemv(self, x):
        """y float32 [R] of x float32 [columns], or [C, R] of [C, columns], bit-exact to numerics.md."""
        x = np.asarray(x, np.float32)
        if x.ndim not in (1, 2) or x.shape[-1] != self.columns:
            raise ValueError(f"x has shape {x.shape}, expected [{self.columns}] or [contexts, the same]")
        aligned = _aligned(np.atleast_2d(x), self.group, self._rotated)
        q, exponent, total = (np.repeat(part, self._terms, axis=1) if self._terms > 1 else part for part in aligned)
        dot = self._dot(np.ascontiguousarray(q.transpose(1, 2, 0)))
        if self._scale is None:
            t = dot.astype(np.float32)
        else:
            t = (self._scale * dot).astype(np.float32, copy=False)
        if self._offset is not None:
            t += self._offset * total.T[:, None, :]
        t *= _power_of_two(exponent - _FRACTION).T[:, None, :]
        y = np.zeros(t.shape[1:], np.float32)
        for product in t:
            y += product
        return np.ascontiguousarray(y.T).reshape(*x.shape[:-1], self.rows)


def gemv(values, scale, offset, x, rotated=False, terms=1):
    """One product with a matrix that is not kept; see `PreparedMatrix` for shapes."""
    return PreparedMatrix(values, scale, offset, rotated, terms).gemv(x)
