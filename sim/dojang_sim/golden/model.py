"""Golden forward pass of a Llama-family model (docs/reference/numerics.md: Forward pass). numpy only.

Every vector operation is `fp` and `special` applied in the order of the page, every product is `engine`'s; so the
logits are those of the chip, bit for bit, however many tokens a call carries.
"""

from functools import partial

import numpy as np

from .engine import BLOCK, PreparedMatrix, nonfinite
from .fp import add, clipped, mul, round_fp16, round_int8
from .special import exp2, recip, rsqrt
from .vector import reduce_max, reduce_maxabs, reduce_sum
from .weights import prepare

__all__ = ["GoldenModel", "rotary_tables"]

_LOG2_E = np.log2(np.e)
_ROUNDER = np.float32(1.5 * 2 ** 23)
"""Adding and subtracting it rounds an FP32 number of magnitude below 2^22 to an integer (M of the page)."""
_PRODUCT_ELEMENTS = 1 << 20
"""Bound of rows x groups x contexts of one engine call; keeps its intermediate arrays in a processor's cache."""
_QUERIES = 64
"""Tokens whose attention is computed at once, for the same reason."""


def rotary_tables(rotation, key_dim: int, positions) -> tuple[np.ndarray, np.ndarray]:
    """Rows C and S, float32 [len(positions), key_dim], for `positions`; ``rotation``: of a `LayerKind`."""
    pairs, rotated = np.arange(rotation.dim // 2), slice(rotation.dim)
    theta = np.float64(rotation.base) ** (-2.0 * pairs / rotation.dim)
    if rotation.factors is not None:
        theta = theta / np.array(rotation.factors, np.float64)
    angle = np.asarray(positions, np.float64)[:, None] * theta
    cosine, sine = np.cos(angle) * rotation.magnitude, np.sin(angle) * rotation.magnitude
    C = np.ones((len(angle), key_dim), np.float32)
    S = np.zeros_like(C)
    C[:, rotated] = np.repeat(cosine, 2, axis=1)
    S[:, rotated] = np.stack([-sine, sine], axis=-1).reshape(S[:, rotated].shape)
    return C, S


class GoldenModel:
    """A model with its key/value cache.

    Parameters
    ----------
    checkpoint: a `dojang.checkpoints.Checkpoint`, or anything with its `shape`, `embedding`, `matrix` and
        `vector`. Its matrices are held as float32 from first use on: 4 bytes a weight.
    context: positions the cache holds.

    Attributes
    ----------
    length: positions the cache holds now.
    nonfinite: sticky; an infinity or NaN has reached the engine.
    saturated: by name as in `forward`'s trace, in order of their first one, how many values FP16 has clipped so far.
    """

    def __init__(self, checkpoint, context: int):
        if context < 1:
            raise ValueError(f"context={context}, expected at least 1")
        self.checkpoint, self.context = checkpoint, context
        self.length = 0
        self.nonfinite = False
        self.saturated: dict[str, int] = {}
        shape = self.shape = checkpoint.shape.at(context)
        self._prepared: dict[str, PreparedMatrix] = {}
        size, groups = (shape.layers, shape.kv_heads, context), shape.head_dim // BLOCK
        self._k_codes = np.zeros((*size, 2 * groups, BLOCK), np.int8)
        self._k_scale = np.zeros((*size, 2 * groups), np.float16)
        self._v_codes = np.zeros((*size, 2 * shape.value_dim), np.int8)
        self._v_scale = np.zeros(size, np.float32)
        self._score_factor = np.float32(_LOG2_E * shape.score_scale)
        self._mean_factor, self._eps = np.float32(1 / shape.d), np.float32(shape.norm.eps)

    def forward(self, tokens, position: int, trace: dict[str, np.ndarray] | None = None) -> np.ndarray:
        """Logits float32 [len(tokens), vocab] of `tokens` at `position` and after.

        The cache keeps what lies before `position`, and then holds these tokens too; later positions are forgotten.
        `trace` receives intermediate arrays, first axis the token: ``"embedding"``, per layer n ``"n.attn_norm"``,
        ``"n.q"`` and ``"n.k"`` (rotated), ``"n.v"``, ``"n.k_codes"``, ``"n.k_scale"``, ``"n.v_codes"``, ``"n.v_scale"``
        (all KV heads first axis after the token; first then second terms), ``"n.score"`` and ``"n.w"`` ([token, head,
        position], zeros after a token's own position), ``"n.o"``, ``"n.attn"`` (residual), ``"n.ffn_norm"``,
        ``"n.gate"``, ``"n.up"``, ``"n.a"``, ``"n.ffn"`` (residual), then ``"output_norm"`` and ``"logits"``.

        Raises
        ------
        ValueError: a token id out of range, or positions that the cache cannot hold or would leave a gap in it.
        """
        tokens = np.asarray(tokens, np.int64)
        if tokens.ndim != 1 or not tokens.size:
            raise ValueError(f"tokens of shape {tokens.shape}, expected a list of at least one id")
        if tokens.min() < 0 or tokens.max() >= self.shape.vocab:
            raise ValueError(f"token ids from {tokens.min()} to {tokens.max()}, expected 0 to {self.shape.vocab - 1}")
        if not 0 <= position <= self.length:
            raise ValueError(f"position={position}, expected 0 to {self.length}, the positions held so far")
        if position + len(tokens) > self.context:
            raise ValueError(f"positions up to {position + len(tokens)} in a context of {self.context}")
        positions = np.arange(position, position + len(tokens))
        tables = rotary_tables(self.shape.kinds[0].rotation, self.shape.key_dim, positions)
        note = (lambda name, value: None) if trace is None else trace.__setitem__

        x = np.ascontiguousarray(self.checkpoint.embedding[tokens], np.float32)
        note("embedding", x)
        for index in range(self.shape.layers):
            def note_layer(name, value, index=index):
                note(f"{index}.{name}", value)

            x = self._attention(x, index, positions, tables, note_layer, trace is not None)
            x = self._ffn(x, index, note_layer)
        h = self._norm("output_norm", x, self.checkpoint.vector("output_norm.weight"))
        note("output_norm", h)
        logits = self._weights(self.shape.head_name, h)
        note("logits", logits)
        self.length = position + len(tokens)
        return logits

    def rescale(self, checkpoint) -> None:
        """Go on with ``checkpoint``, the same codes with other scales and gains; the cache stays as it is."""
        self.checkpoint = checkpoint
        for name, matrix in self._prepared.items():
            matrix.rescale(checkpoint.matrix(name).scale)

    def _attention(self, x, index, positions, tables, note, traced):
        shape, count = self.shape, len(x)
        h = self._norm(f"{index}.attn_norm", x, self.checkpoint.vector(f"blk.{index}.attn_norm.weight"))
        q = self._weights(f"blk.{index}.attn_q.weight", h).reshape(count, shape.heads, shape.key_dim)
        k = self._weights(f"blk.{index}.attn_k.weight", h).reshape(count, shape.kv_heads, shape.key_dim)
        v = self._weights(f"blk.{index}.attn_v.weight", h).reshape(count, shape.kv_heads, shape.value_dim)
        q, k = self._fp16(f"{index}.q", _rotate(q, *tables)), _rotate(k, *tables)
        self._store(index, positions, k, v)
        o = np.empty((count, shape.heads, shape.value_dim), np.float32)
        inner = np.zeros((2, count, shape.heads, int(positions[-1]) + 1), np.float32) if traced else None
        for at in range(0, count, _QUERIES):
            block = slice(at, at + _QUERIES)
            for kv_head in range(shape.kv_heads):
                heads = slice(kv_head * shape.group, (kv_head + 1) * shape.group)
                o[block, heads], *score_w = self._attend(index, kv_head, q[block, heads], positions[block])
                if inner is not None:
                    inner[:, block, heads, :score_w[0].shape[2]] = score_w
        o = self._fp16(f"{index}.o", o.reshape(count, -1))
        x = add(x, self._weights(f"blk.{index}.attn_output.weight", o))
        for name, value in (("attn_norm", h), ("q", q), ("k", k), ("v", v), ("o", o), ("attn", x)):
            note(name, value)
        if inner is not None:
            note("score", inner[0])
            note("w", inner[1])
            for name, cache in (("k_codes", self._k_codes), ("k_scale", self._k_scale), ("v_codes", self._v_codes),
                                ("v_scale", self._v_scale)):
                note(name, cache[index][:, positions].swapaxes(0, 1))
        return x

    def _store(self, index, positions, k, v):
        """Quantise rotated keys and values [token, KV head, element] into the cache."""
        convert = partial(self._fp16, f"{index}.k_scale")
        k = self._whole(k).reshape(*k.shape[:2], -1, BLOCK)
        s1 = _int8_scale(k, convert)
        c1 = add(add(mul(k, recip(s1)), _ROUNDER), -_ROUNDER)
        r = add(mul(c1, mul(s1, np.float32(-1))), k)
        s2 = _int8_scale(r, convert)
        codes = np.concatenate([round_int8(c1), round_int8(mul(r, recip(s2)))], axis=2)
        self._k_codes[index][:, positions] = codes.swapaxes(0, 1)
        self._k_scale[index][:, positions] = np.concatenate([s1, s2], axis=2)[..., 0].swapaxes(0, 1)
        s = _int8_scale(v, np.asarray)
        t = mul(v, recip(s))
        c1 = add(add(t, _ROUNDER), -_ROUNDER)
        r = add(mul(c1, np.float32(-1)), t)
        codes = np.concatenate([round_int8(c1), round_int8(mul(r, np.float32(256)))], axis=2)
        self._v_codes[index][:, positions] = codes.swapaxes(0, 1)
        self._v_scale[index][:, positions] = s[..., 0].T

    def _attend(self, index, kv_head, q, positions):
        """Of the query heads that share a KV head: o [token, head, element] not yet rounded, score and w [token, head,
        position].
        """
        held = int(positions[-1]) + 1
        (count, heads), size = q.shape[:2], self.shape.value_dim
        keys = PreparedMatrix(self._k_codes[index, kv_head, :held], self._k_scale[index, kv_head, :held])
        twice = np.concatenate([self._whole(q)] * 2, axis=2).reshape(count * heads, -1)
        score = self._product(keys, twice).reshape(count, heads, held)
        beyond = (np.arange(held) > positions[:, None])[:, None]
        m = reduce_max(np.where(beyond, np.float32(-np.inf), score))[..., None]
        e = exp2(add(mul(score, self._score_factor), mul(m, -self._score_factor)))
        e = np.where(beyond, np.float32(0), e)  # zeros after the last position change no partial sum
        z = recip(reduce_sum(e))[..., None]
        w = mul(mul(e, z), self._v_scale[index, kv_head, :held])
        columns = np.zeros((2 * size, -(-held // BLOCK) * BLOCK), np.int8)
        columns[:, :held] = self._v_codes[index, kv_head, :held].T
        values = PreparedMatrix(columns.reshape(2 * size, -1, BLOCK))
        y = self._product(values, w.reshape(count * heads, held)).reshape(count, heads, 2, size)
        o = add(mul(y[:, :, 1], np.float32(2.0 ** -8)), y[:, :, 0])
        return o, np.where(beyond, np.float32(0), score), w

    def _whole(self, x):
        """Queries or keys [..., key_dim] with zeros up to whole groups, as the cache has them."""
        return np.pad(x, ((0, 0), (0, 0), (0, self.shape.head_dim - self.shape.key_dim)))

    def _ffn(self, x, index, note):
        h = self._norm(f"{index}.ffn_norm", x, self.checkpoint.vector(f"blk.{index}.ffn_norm.weight"))
        gate, up = (self._weights(f"blk.{index}.{name}.weight", h) for name in ("ffn_gate", "ffn_up"))
        sigmoid = recip(add(exp2(mul(gate, np.float32(-_LOG2_E))), np.float32(1)))
        a = self._fp16(f"{index}.a", mul(mul(sigmoid, gate), up))
        x = add(x, self._weights(f"blk.{index}.ffn_down.weight", a))
        for name, value in (("ffn_norm", h), ("gate", gate), ("up", up), ("a", a), ("ffn", x)):
            note(name, value)
        return x

    def _fp16(self, name, x):
        """`round_fp16`, counted under `name`."""
        if count := clipped(x):
            self.saturated[name] = self.saturated.get(name, 0) + count
        return round_fp16(x)

    def _norm(self, name, x, gain):
        r = rsqrt(add(mul(reduce_sum(mul(x, x)), self._mean_factor), self._eps))
        return self._fp16(name, mul(mul(x, r[:, None]), gain))

    def _weights(self, name, x):
        """Product with the matrix of that tensor name."""
        if name not in self._prepared:
            self._prepared[name] = prepare(self.checkpoint.matrix(name))
        return self._product(self._prepared[name], x)

    def _product(self, matrix, x):
        """GEMV of every row of x, padded with zeros to whole groups."""
        padding = matrix.columns - x.shape[1]
        x = np.pad(x, ((0, 0), (0, padding))) if padding else x
        self.nonfinite |= nonfinite(x)
        at_once = max(1, _PRODUCT_ELEMENTS // (matrix.rows * matrix.products))
        return np.concatenate([matrix.gemv(x[at:at + at_once]) for at in range(0, len(x), at_once)])


def _rotate(x, C, S):
    """fl(fl(x·C) + fl(swap(x)·S)) for x [token, head, element]."""
    swapped = x.reshape(*x.shape[:-1], -1, 2)[..., ::-1].reshape(x.shape)
    return add(mul(x, C[:, None]), mul(swapped, S[:, None]))


def _int8_scale(x, convert):
    """Scale [..., 1] of INT8 codes for the last axis."""
    return convert(mul(reduce_maxabs(x), np.float32(1 / 127)))[..., None]
