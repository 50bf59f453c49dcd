"""Key/value cache and attention (docs/reference/numerics.md: Forward pass). numpy only."""

from functools import partial

import numpy as np

from .activations import LOG2_E, cap
from .engine import BLOCK, PreparedMatrix
from .flags import Flags
from .fp import add, mul, round_int8
from .special import exp2, recip
from .vector import reduce_max, reduce_maxabs, reduce_sum

__all__ = ["Cache"]

ROUNDER = np.float32(1.5 * 2 ** 23)
"""Adding and subtracting it rounds an FP32 number of magnitude below 2^22 to an integer (M of the page)."""
QUERIES = 64
"""Tokens whose attention is computed at once; keeps the arrays in a processor's cache."""


class Cache:
    """Keys and values of a sequence in all layers.

    Parameters
    ----------
    shape: a `dojang.checkpoints.ModelShape` at the model's context.
    context: positions the cache holds.
    flags: of the model.

    Attributes
    ----------
    length: positions it holds now; whoever stores any says so.
    """

    def __init__(self, shape, context: int, flags: Flags):
        self.context, self.length = context, 0
        self._shape, self._flags = shape, flags
        size, groups = (shape.layers, shape.kv_heads, context), shape.head_dim // BLOCK
        self._k_codes = np.zeros((*size, 2 * groups, BLOCK), np.int8)
        self._k_scale = np.zeros((*size, 2 * groups), np.float16)
        self._v_codes = np.zeros((*size, 2 * shape.value_dim), np.int8)
        self._v_scale = np.zeros(size, np.float32)
        self._score_factor = np.float32(LOG2_E if shape.score_cap else LOG2_E * shape.score_scale)

    def store(self, layer: int, positions, k, v) -> None:
        """Quantise rotated keys and values [token, KV head, element] into the cache."""
        convert = partial(self._flags.fp16, f"{layer}.k_scale")
        k = self._whole(k).reshape(*k.shape[:2], -1, BLOCK)
        s1 = _int8_scale(k, convert)
        c1 = add(add(mul(k, recip(s1)), ROUNDER), -ROUNDER)
        r = add(mul(c1, mul(s1, np.float32(-1))), k)
        s2 = _int8_scale(r, convert)
        codes = np.concatenate([round_int8(c1), round_int8(mul(r, recip(s2)))], axis=2)
        self._k_codes[layer][:, positions] = codes.swapaxes(0, 1)
        self._k_scale[layer][:, positions] = np.concatenate([s1, s2], axis=2)[..., 0].swapaxes(0, 1)
        s = _int8_scale(v, np.asarray)
        t = mul(v, recip(s))
        c1 = add(add(t, ROUNDER), -ROUNDER)
        r = add(mul(c1, np.float32(-1)), t)
        codes = np.concatenate([round_int8(c1), round_int8(mul(r, np.float32(256)))], axis=2)
        self._v_codes[layer][:, positions] = codes.swapaxes(0, 1)
        self._v_scale[layer][:, positions] = s[..., 0].T

    def stored(self, layer: int, positions) -> dict[str, np.ndarray]:
        """``k_codes``, ``k_scale``, ``v_codes`` and ``v_scale`` of positions, first axes token and KV head."""
        caches = {"k_codes": self._k_codes, "k_scale": self._k_scale, "v_codes": self._v_codes,
                  "v_scale": self._v_scale}
        return {name: cache[layer][:, positions].swapaxes(0, 1) for name, cache in caches.items()}

    def attend(self, layer: int, q, positions, traced: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """o [token, head, element], not yet rounded, of rotated queries of the same shape at ``positions``.

        Second, if ``traced``: scores and weights, [2, token, head, position], zeros where a query does not see.
        """
        shape, count = self._shape, len(q)
        o = np.empty((count, shape.heads, shape.value_dim), np.float32)
        inner = np.zeros((2, count, shape.heads, int(positions[-1]) + 1), np.float32) if traced else None
        for at in range(0, count, QUERIES):
            block = slice(at, at + QUERIES)
            for kv_head in range(shape.kv_heads):
                heads = slice(kv_head * shape.group, (kv_head + 1) * shape.group)
                held, o[block, heads], *score_w = self._attend(layer, kv_head, q[block, heads], positions[block])
                if inner is not None:
                    inner[:, block, heads, held] = score_w
        return o, inner

    def _attend(self, layer, kv_head, q, positions):
        """Of the query heads that share a KV head: the positions looked at, o, and score and w [token, head, those]."""
        shape, (count, heads), window = self._shape, q.shape[:2], self._shape.kind(layer).window
        # From a multiple of 32 on, so that groups and partial sums stay those of the whole cache.
        first = max(0, int(positions[0]) + 1 - window) // BLOCK * BLOCK if window else 0
        held = slice(first, int(positions[-1]) + 1)
        behind = positions[:, None] - np.arange(held.start, held.stop)
        seen = ((behind >= 0) & (behind < (window or held.stop)))[:, None]
        keys = PreparedMatrix(self._k_codes[layer, kv_head, held], self._k_scale[layer, kv_head, held])
        twice = np.concatenate([self._whole(q)] * 2, axis=2).reshape(count * heads, -1)
        score = self._flags.product(keys, twice).reshape(count, heads, -1)
        if shape.score_cap:
            score = cap(score, shape.score_cap, shape.score_scale)
        m = reduce_max(np.where(seen, score, np.float32(-np.inf)))[..., None]
        e = exp2(add(mul(score, self._score_factor), mul(m, -self._score_factor)))
        e = np.where(seen, e, np.float32(0))  # zeros change no partial sum
        z = recip(reduce_sum(e))[..., None]
        w = mul(mul(e, z), self._v_scale[layer, kv_head, held])
        columns = np.zeros((2 * shape.value_dim, -(-w.shape[2] // BLOCK) * BLOCK), np.int8)
        columns[:, :w.shape[2]] = self._v_codes[layer, kv_head, held].T
        values = PreparedMatrix(columns.reshape(2 * shape.value_dim, -1, BLOCK))
        y = self._flags.product(values, w.reshape(count * heads, -1)).reshape(count, heads, 2, shape.value_dim)
        o = add(mul(y[:, :, 1], np.float32(2.0 ** -8)), y[:, :, 0])
        return held, o, np.where(seen, score, np.float32(0)), w

    def _whole(self, x):
        """Queries or keys [..., key_dim] with zeros up to whole groups, as the cache has them."""
        return np.pad(x, ((0, 0), (0, 0), (0, self._shape.head_dim - self._shape.key_dim)))


def _int8_scale(x, convert):
    """Scale [..., 1] of INT8 codes for the last axis."""
    return convert(mul(reduce_maxabs(x), np.float32(1 / 127)))[..., None]
