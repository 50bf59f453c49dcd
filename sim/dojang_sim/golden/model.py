"""Golden forward pass of a model by its description (docs/reference/numerics.md: Forward pass). numpy only.

Every vector operation is `fp` and `special` applied in the order of the page, every product is `engine`'s; so the
logits are those of the chip, bit for bit, however many tokens a call carries.
"""

import numpy as np

from .activations import ACTIVATIONS, cap
from .attention import Cache
from .engine import PreparedMatrix
from .flags import Flags
from .fp import add, mul
from .norms import normalise
from .rotary import rotary_tables, rotate
from .weights import prepare

__all__ = ["GoldenModel"]


class GoldenModel:
    """A model with its key/value cache; for further sequences there are further ones (`new_cache`).

    Parameters
    ----------
    checkpoint: a `dojang.checkpoints.Checkpoint`, or anything with its `shape`, `embedding`, `positions`, `matrix` and
        `vector`. Its matrices are held as float32 from first use on: 4 bytes a weight.
    context: positions a cache holds.

    Attributes
    ----------
    length: positions that the model's own cache holds now.
    nonfinite: sticky; an infinity or NaN has reached the engine.
    saturated: by name as in `forward`'s trace, in order of their first one, how many values FP16 has clipped so far.
    """

    def __init__(self, checkpoint, context: int):
        if context < 1:
            raise ValueError(f"context={context}, expected at least 1")
        shape = self.shape = checkpoint.shape.at(context)
        if shape.learned_positions and context > shape.context:
            raise ValueError(f"context={context}, expected at most {shape.context}, the positions the model has "
                             "learned")
        self.checkpoint, self.context = checkpoint, context
        self._flags = Flags()
        self._cache = self.new_cache()
        self._prepared: dict[str, PreparedMatrix] = {}

    @property
    def length(self) -> int:
        return self._cache.length

    @property
    def nonfinite(self) -> bool:
        return self._flags.nonfinite

    @property
    def saturated(self) -> dict[str, int]:
        return self._flags.saturated

    def new_cache(self, positions: int | None = None) -> Cache:
        """An empty one, for `forward`, of a sequence that may have so many positions; `context` if None."""
        return Cache(self.shape, self.context if positions is None else positions, self._flags)

    def forward(self, tokens, position: int, trace: dict[str, np.ndarray] | None = None,
                cache: Cache | None = None) -> np.ndarray:
        """Logits float32 [len(tokens), vocab] of `tokens` at `position` and after, with `cache` or the model's own.

        The cache keeps what lies before `position`, and then holds these tokens too; later positions are forgotten.
        `trace` receives intermediate arrays, first axis the token: ``"embedding"`` (what the first layer gets), per
        layer n ``"n.attn_norm"`` (input of attention, normalised or not), ``"n.q"`` and ``"n.k"`` (rotated), ``"n.v"``,
        ``"n.k_codes"``, ``"n.k_scale"``, ``"n.v_codes"``, ``"n.v_scale"`` (all KV heads first axis after the token;
        first then second terms), ``"n.score"`` (capped), ``"n.w"`` ([token, head, position], zeros where a token does
        not see), ``"n.o"``, ``"n.post_attention_norm"`` (result, if there is one), ``"n.attn"`` (residual),
        ``"n.ffn_norm"`` (input of the feed-forward part), ``"n.gate"`` (if there is one), ``"n.up"``, ``"n.a"``,
        ``"n.post_ffw_norm"`` (result, if there is one), ``"n.ffn"`` (residual), then ``"output_norm"`` and
        ``"logits"``.

        Raises
        ------
        ValueError: a token id out of range, or positions that the cache cannot hold or would leave a gap in it.
        """
        tokens = np.asarray(tokens, np.int64)
        cache = self._cache if cache is None else cache
        self._check(tokens, position, cache)
        shape, positions = self.shape, np.arange(position, position + len(tokens))
        tables = [kind.rotation and rotary_tables(kind.rotation, shape.key_dim, positions) for kind in shape.kinds]
        note = (lambda name, value: None) if trace is None else trace.__setitem__

        x = _scaled(np.ascontiguousarray(self.checkpoint.embedding[tokens], np.float32), shape.embedding_scale)
        if shape.learned_positions:
            x = add(x, self.checkpoint.positions[positions])
        note("embedding", x)
        for layer in range(shape.layers):
            def note_layer(name, value, layer=layer):
                note(f"{layer}.{name}", value)

            turn = tables[shape.kinds.index(shape.kind(layer))]
            x = self._attention(x, layer, positions, turn, cache, note_layer, trace is not None)
            x = self._ffn(x, layer, note_layer)
        h = self._flags.fp16("output_norm", self._norm("output_norm", x))
        note("output_norm", h)
        logits = _scaled(self._weights(shape.head_name, h), shape.logit_scale)
        if shape.logit_cap:
            logits = cap(logits, shape.logit_cap)
        note("logits", logits)
        cache.length = position + len(tokens)
        return logits

    def _check(self, tokens, position, cache):
        if tokens.ndim != 1 or not tokens.size:
            raise ValueError(f"tokens of shape {tokens.shape}, expected a list of at least one id")
        if tokens.min() < 0 or tokens.max() >= self.shape.vocab:
            raise ValueError(f"token ids from {tokens.min()} to {tokens.max()}, expected 0 to {self.shape.vocab - 1}")
        if not 0 <= position <= cache.length:
            raise ValueError(f"position={position}, expected 0 to {cache.length}, the positions held so far")
        if position + len(tokens) > cache.context:
            raise ValueError(f"positions up to {position + len(tokens)} in a context of {cache.context}")

    def rescale(self, checkpoint) -> None:
        """Go on with ``checkpoint``, the same codes with other scales and gains; caches stay as they are."""
        self.checkpoint = checkpoint
        for name, matrix in self._prepared.items():
            matrix.rescale(checkpoint.matrix(name).scale)

    def _attention(self, x, layer, positions, tables, cache, note, traced):
        shape = self.shape
        h = self._input("attn_norm", x, layer, note)
        q, k, v = (self._linear(layer, name, h) for name in ("attn_q", "attn_k", "attn_v"))
        q, k = self._qk_norm(layer, "q", q), self._qk_norm(layer, "k", k)
        v = v.reshape(len(x), shape.kv_heads, shape.value_dim)
        if tables is not None:
            q, k = rotate(q, *tables), rotate(k, *tables)
        q = self._flags.fp16(f"{layer}.q", q)
        cache.store(layer, positions, k, v)
        o, inner = cache.attend(layer, q, positions, traced)
        o = self._flags.fp16(f"{layer}.o", o.reshape(len(x), -1))
        for name, value in (("q", q), ("k", k), ("v", v), ("o", o)):
            note(name, value)
        if inner is not None:
            note("score", inner[0])
            note("w", inner[1])
            for name, value in cache.stored(layer, positions).items():
                note(name, value)
        x = self._added(x, self._linear(layer, "attn_output", o), "post_attention_norm", layer, note)
        note("attn", x)
        return x

    def _qk_norm(self, layer, name, x):
        """Queries or keys [token, head, element], normalised if the model asks for it."""
        norm, split = self.shape.qk_norm, (len(x), -1, self.shape.key_dim)
        if norm == "none":
            return x.reshape(split)
        x = x.reshape(split) if norm == "head" else x
        gain = self.checkpoint.vector(f"blk.{layer}.attn_{name}_norm.weight")
        return normalise(x, gain, self.shape.norm.eps).reshape(split)

    def _ffn(self, x, layer, note):
        h = self._input("ffn_norm", x, layer, note)
        act, up = ACTIVATIONS[self.shape.activation], self._linear(layer, "ffn_up", h)
        note("up", up)
        if self.shape.gated:
            gate = self._linear(layer, "ffn_gate", h)
            note("gate", gate)
            a = mul(act(gate), up)
        else:
            a = act(up)
        a = self._flags.fp16(f"{layer}.a", a)
        note("a", a)
        x = self._added(x, self._linear(layer, "ffn_down", a), "post_ffw_norm", layer, note)
        note("ffn", x)
        return x

    def _input(self, norm, x, layer, note):
        """What a part of a layer gets: x, normalised if the layer has that norm, in FP16."""
        h = self._norm(f"blk.{layer}.{norm}", x) if norm in self.shape.norms else x
        h = self._flags.fp16(f"{layer}.{norm}", h)
        note(norm, h)
        return h

    def _added(self, x, y, norm, layer, note):
        """x plus what a part of a layer gives."""
        if norm in self.shape.norms:
            y = self._norm(f"blk.{layer}.{norm}", y)
            note(norm, y)
        return add(x, _scaled(y, self.shape.residual_scale))

    def _norm(self, name, x):
        """With the gain, and bias, of that tensor name."""
        norm, vector = self.shape.norm, self.checkpoint.vector
        bias = vector(f"{name}.bias") if norm.bias else None
        return normalise(x, vector(f"{name}.weight"), norm.eps, norm.centred, bias)

    def _linear(self, layer, name, x):
        """Product with a layer's matrix, its bias added if it has one."""
        y = self._weights(f"blk.{layer}.{name}.weight", x)
        return add(y, self.checkpoint.vector(f"blk.{layer}.{name}.bias")) if name in self.shape.biases else y

    def _weights(self, name, x):
        """Product with the matrix of that tensor name."""
        if name not in self._prepared:
            self._prepared[name] = prepare(self.checkpoint.matrix(name))
        return self._flags.product(self._prepared[name], x)


def _scaled(x, factor):
    return x if factor == 1 else mul(x, np.float32(factor))
