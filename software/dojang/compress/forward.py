"""Forward pass of a checkpoint in float32, a layer at a time over many windows of text; numpy only.

It takes none of the chip's roundings: it is for calibration and for quick evaluation. ``dojang_sim.golden.model`` is
what the chip computes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ..checkpoints import Checkpoint, LayerKind, QKNorm
from .activations import ACTIVATIONS, capped
from .errors import CompressError
from .weights import LayerWeights

__all__ = ["Forward", "Tap", "hidden", "rotary", "start"]

Tap = Callable[[str, np.ndarray], None]
"""Called with the name of an input and its values, float32 [tokens, columns]; from several threads."""


class Forward:
    """Windows of text on their way through a model.

    Parameters
    ----------
    checkpoint: the model.
    windows: token ids [windows, length]; each window is a text of its own.
    workers: threads, which share the windows out.

    Attributes
    ----------
    x: residual stream, float32 [windows, length, d], after the layers done so far.

    Raises
    ------
    CompressError: the windows have more positions than the model.
    """

    def __init__(self, checkpoint: Checkpoint, windows: np.ndarray, workers: int = 1):
        windows = np.asarray(windows)
        self.checkpoint, self.shape = checkpoint, checkpoint.shape
        self.x = start(checkpoint, windows)
        self._parts = [part for part in np.array_split(np.arange(len(windows)), workers) if len(part)]
        length = windows.shape[1]
        self._rules = {kind: (rotary(kind, length), hidden(kind, length)) for kind in self.shape.kinds}

    def layer(self, weights: LayerWeights, tap: Tap | None = None) -> None:
        """Take the residual stream through one layer."""
        def run(part):
            for at in range(0, len(part), 4):  # keeps what lies between within a few megabytes
                some = part[at:at + 4]
                self.x[some] = self._layer(self.x[some], weights, tap or _ignore)

        if len(self._parts) == 1:
            return run(self._parts[0])
        with ThreadPoolExecutor(len(self._parts)) as pool:
            list(pool.map(run, self._parts))

    def layers(self, progress: Callable[[int], None] = lambda done: None) -> "Forward":
        """All layers of the checkpoint."""
        for index in range(self.shape.layers):
            self.layer(LayerWeights.of(self.checkpoint, index))
            progress(index + 1)
        return self

    def logits(self, window: int, head: np.ndarray) -> np.ndarray:
        """Logits [length, vocab] of one window, after all layers; ``head`` float32 [vocab, d]."""
        vectors = {name: self.checkpoint.vector(name) for name in ("output_norm.weight", "output_norm.bias")
                   if name in self.checkpoint.vector_names}
        logits = self._norm("output_norm", self.x[window], vectors) @ head.T
        return capped(_scaled(logits, self.shape.logit_scale), self.shape.logit_cap)

    def _layer(self, x, weights, tap):
        count, length, d = x.shape
        x = x.reshape(-1, d)
        h = self._norm_of("attn_norm", x, weights)
        tap("attn_in", h)
        o = self._attention(h, count, length, weights)
        tap("o_in", o)
        x = self._added(x, _linear("attn_output", o, weights), "post_attention_norm", weights)
        h = self._norm_of("ffn_norm", x, weights)
        tap("ffn_in", h)
        act = ACTIVATIONS[self.shape.activation]
        a = _linear("ffn_up", h, weights)
        a = act(_linear("ffn_gate", h, weights)) * a if self.shape.gated else act(a)
        tap("down_in", a)
        x = self._added(x, _linear("ffn_down", a, weights), "post_ffw_norm", weights)
        return x.reshape(count, length, d)

    def _attention(self, h, count, length, weights):
        """What the query heads read, [tokens, elements of all]."""
        shape = self.shape
        turn, blind = self._rules[weights.kind]
        q, k = (self._norm_of_heads(name, _linear(name, h, weights).reshape(count, length, -1, shape.key_dim), weights)
                for name in ("attn_q", "attn_k"))
        v = _linear("attn_v", h, weights).reshape(count, length, -1, shape.value_dim)
        q, k, v = (each.swapaxes(1, 2) for each in (q, k, v))
        if turn is not None:
            q, k = _turned(q, *turn), _turned(k, *turn)
        q = q * np.float32(shape.score_scale)
        o = np.empty((count, length, shape.heads, shape.value_dim), np.float32)
        for head in range(shape.heads):
            score = capped(q[:, head] @ k[:, head // shape.group].swapaxes(1, 2), shape.score_cap) + blind
            score -= score.max(axis=-1, keepdims=True)
            np.exp(score, out=score)
            score /= score.sum(axis=-1, keepdims=True)
            o[:, :, head] = score @ v[:, head // shape.group]
        return o.reshape(count * length, -1)

    def _added(self, x, y, norm, weights):
        return x + _scaled(self._norm_of(norm, y, weights), self.shape.residual_scale)

    def _norm_of(self, name, x, weights):
        """``x`` itself where a layer has no such norm."""
        return self._norm(name, x, weights.vectors) if name in self.shape.norms else x

    def _norm(self, name, x, vectors):
        norm = self.shape.norm
        if norm.centred:
            x = x - x.mean(axis=-1, keepdims=True)
        h = self._unit(x) * vectors[f"{name}.weight"]
        return h + vectors[f"{name}.bias"] if norm.bias else h

    def _norm_of_heads(self, name, x, weights):
        """Of queries or keys [window, position, head, element]."""
        over = self.shape.qk_norm
        if over is QKNorm.NONE:
            return x
        values = x if over is QKNorm.HEAD else x.reshape(*x.shape[:2], -1)
        return (self._unit(values) * weights.vectors[f"{name}_norm.weight"]).reshape(x.shape)

    def _unit(self, x):
        mean = np.einsum("...i,...i->...", x, x)[..., None] * np.float32(1 / x.shape[-1])
        return x / np.sqrt(mean + np.float32(self.shape.norm.eps))


def start(checkpoint: Checkpoint, windows: np.ndarray) -> np.ndarray:
    """The residual stream before the first layer, float32 [windows, length, d], of token ids [windows, length].

    Raises
    ------
    CompressError: the windows are longer than the table of positions.
    """
    shape, length = checkpoint.shape, windows.shape[1]
    x = np.ascontiguousarray(checkpoint.embedding[windows.ravel()], np.float32).reshape(*windows.shape, -1)
    x = _scaled(x, shape.embedding_scale)
    if checkpoint.positions is None:
        return x
    if length > len(checkpoint.positions):
        raise CompressError(f"windows of {length} tokens were asked for, expected at most {len(checkpoint.positions)}, "
                            f"which {checkpoint.name} has positions for")
    return x + checkpoint.positions[:length]


def rotary(kind: LayerKind, length: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Cosines and sines, float32 [length, rotated elements / 2], of the rotary embedding's angles, times its magnitude;
    None in layers without.
    """
    turn = kind.at(length).rotation
    if turn is None:
        return None
    theta = turn.base ** (-np.arange(0, turn.dim, 2) / turn.dim)
    if turn.factors is not None:
        theta = theta / np.array(turn.factors)
    angle = np.arange(length)[:, None] * theta
    cosine, sine = (of(angle) * turn.magnitude for of in (np.cos, np.sin))
    return cosine.astype(np.float32), sine.astype(np.float32)


def hidden(kind: LayerKind, length: int) -> np.ndarray:
    """What is added to scores, float32 [query, key]: minus infinity where a query does not see, else 0."""
    query, key = np.indices((length, length))
    seen = (key <= query) & (key > query - (kind.window or length))
    return np.where(seen, np.float32(0), np.float32(-np.inf))


def _linear(name, x, weights):
    y = x @ weights.matrices[name].T
    bias = weights.vectors.get(f"{name}.bias")
    return y if bias is None else y + bias


def _scaled(x, factor):
    return x if factor == 1 else x * np.float32(factor)


def _turned(x, cosine, sine):
    """Rotary embedding of [window, head, position, element]; pairs are adjacent elements."""
    size = 2 * cosine.shape[-1]
    even, odd = x[..., 0:size:2], x[..., 1:size:2]
    result = np.empty(x.shape, np.float32)
    result[..., 0:size:2] = even * cosine - odd * sine
    result[..., 1:size:2] = even * sine + odd * cosine
    result[..., size:] = x[..., size:]
    return result


def _ignore(kind, values):
    pass
