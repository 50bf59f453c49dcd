"""Forward pass of a Llama checkpoint in float32, a layer at a time over many windows of text; numpy only.

It takes none of the chip's roundings: it is for calibration and for quick evaluation. ``dojang_sim.golden.model`` is
what the chip computes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from ..checkpoints import Checkpoint, ModelShape

__all__ = ["INPUTS", "Forward", "LayerWeights", "Tap", "inputs_of", "rotary"]

INPUTS = {"attn_in": ("attn_q", "attn_k", "attn_v"), "o_in": ("attn_output",), "ffn_in": ("ffn_gate", "ffn_up"),
          "down_in": ("ffn_down",)}
"""The distinct inputs of a layer's matrices, and the matrices that read each."""

Tap = Callable[[str, np.ndarray], None]
"""Called with the name of an input and its values, float32 [tokens, columns]; from several threads."""


def inputs_of(name: str) -> str:
    """The input that matrix ``name`` (``"attn_q"`` …) of a layer reads."""
    return next(kind for kind, names in INPUTS.items() if name in names)


@dataclass
class LayerWeights:
    """Float weights of one layer.

    Parameters
    ----------
    matrices: float32 [rows, columns] by name.
    attn_norm, ffn_norm: gains.
    """

    matrices: dict[str, np.ndarray]
    attn_norm: np.ndarray
    ffn_norm: np.ndarray

    @classmethod
    def of(cls, checkpoint: Checkpoint, layer: int) -> "LayerWeights":
        """Those of a checkpoint, which does not keep them."""
        matrices = {name: checkpoint.floats(f"blk.{layer}.{name}.weight") for name in checkpoint.shape.matrices()}
        gains = (checkpoint.load_vector(f"blk.{layer}.{name}.weight") for name in ("attn_norm", "ffn_norm"))
        return cls(matrices, *gains)


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
    """

    def __init__(self, checkpoint: Checkpoint, windows: np.ndarray, workers: int = 1):
        windows = np.asarray(windows)
        self.checkpoint, self.shape = checkpoint, checkpoint.shape
        self.x = np.ascontiguousarray(checkpoint.embedding[windows.ravel()], np.float32).reshape(*windows.shape, -1)
        self._parts = [part for part in np.array_split(np.arange(len(windows)), workers) if len(part)]
        self._cosine, self._sine = rotary(self.shape, windows.shape[1])

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
        return self._norm(self.x[window], self.checkpoint.vector("output_norm.weight")) @ head.T

    def _layer(self, x, weights, tap):
        count, length, d = x.shape
        shape, matrices = self.shape, weights.matrices

        def product(name, values):
            return values @ matrices[name].T

        h = self._norm(x.reshape(-1, d), weights.attn_norm)
        tap("attn_in", h)
        q, k, v = (product(f"attn_{name}", h).reshape(count, length, -1, size).swapaxes(1, 2)
                   for name, size in (("q", shape.key_dim), ("k", shape.key_dim), ("v", shape.value_dim)))
        q, k = self._turn(q) * np.float32(shape.score_scale), self._turn(k)
        o = np.empty((count, length, shape.heads, shape.value_dim), np.float32)
        future = np.triu(np.full((length, length), -np.inf, np.float32), 1)
        for head in range(shape.heads):
            score = q[:, head] @ k[:, head // shape.group].swapaxes(1, 2) + future
            score -= score.max(axis=-1, keepdims=True)
            np.exp(score, out=score)
            score /= score.sum(axis=-1, keepdims=True)
            o[:, :, head] = score @ v[:, head // shape.group]
        o = o.reshape(count * length, -1)
        tap("o_in", o)
        x = x.reshape(-1, d) + product("attn_output", o)
        h = self._norm(x, weights.ffn_norm)
        tap("ffn_in", h)
        gate = product("ffn_gate", h)
        with np.errstate(over="ignore"):
            a = gate / (1 + np.exp(-gate))
        a *= product("ffn_up", h)
        tap("down_in", a)
        x += product("ffn_down", a)
        return x.reshape(count, length, d)

    def _norm(self, x, gain):
        mean = np.einsum("...i,...i->...", x, x)[..., None] * np.float32(1 / x.shape[-1])
        return x / np.sqrt(mean + np.float32(self.shape.norm.eps)) * gain

    def _turn(self, x):
        """Rotary embedding of [window, head, position, element]; pairs are adjacent elements."""
        size = 2 * self._cosine.shape[-1]
        even, odd = x[..., 0:size:2], x[..., 1:size:2]
        result = np.empty(x.shape, np.float32)
        result[..., 0:size:2] = even * self._cosine - odd * self._sine
        result[..., 1:size:2] = even * self._sine + odd * self._cosine
        result[..., size:] = x[..., size:]
        return result


def rotary(shape: ModelShape, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines, float32 [length, rotated elements / 2], of the rotary embedding's angles, times its magnitude.
    """
    turn = shape.at(length).kinds[0].rotation
    assert turn is not None
    theta = turn.base ** (-np.arange(0, turn.dim, 2) / turn.dim)
    if turn.factors is not None:
        theta = theta / np.array(turn.factors)
    angle = np.arange(length)[:, None] * theta
    cosine, sine = (of(angle) * turn.magnitude for of in (np.cos, np.sin))
    return cosine.astype(np.float32), sine.astype(np.float32)


def _ignore(kind, values):
    pass
