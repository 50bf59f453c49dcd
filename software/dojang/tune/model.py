"""Forward pass of a TorchModel checkpoint in PyTorch, differentiable in the logarithms of scales and gains."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  (an optional extra)
from dojang_sim.golden.weights import integers
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from ..checkpoints import Checkpoint, Matrix
from ..checkpoints.form import TURN
from ..compress.forward import rotary
from .parameters import Parameters

__all__ = ["TorchModel", "divergence"]

POSITIONS = 64
"""Whose logits are in memory at once."""

Tensor = Any  # torch's is unknown where the extra is not installed
Logs = Mapping[str, Tensor]


class TorchModel:
    """A model whose codes are frozen.

    Parameters
    ----------
    checkpoint: the model.
    parameters: of the model, or None where nothing is trained.
    dtype: of the products' operands; everything else is float32.
    """

    def __init__(self, checkpoint: Checkpoint, parameters: Parameters | None, dtype: Any):
        self.checkpoint, self.shape, self.parts = checkpoint, checkpoint.shape, parameters.parts if parameters else {}
        self.products = {}
        for layer in range(self.shape.layers):
            for kind in self.shape.matrices():
                name = f"blk.{layer}.{kind}.weight"
                matrix = checkpoint.tensor(name) if name in self.parts else None
                self.products[name] = (Scaled(matrix, dtype) if isinstance(matrix, Matrix) else
                                       Fixed(checkpoint.floats(name), dtype))
        self.gains = {name: torch.from_numpy(np.array(checkpoint.tensor(name))) for name in self._norms()}
        self.head = torch.from_numpy(checkpoint.head.dequantize())
        self.dtype = dtype

    def states(self, windows: np.ndarray, logs: Logs | None = None) -> Tensor:
        """What the head reads: float32 [windows, length, d] for token ids [windows, length].

        ``logs``: the parameters of each kind.
        """
        windows = np.asarray(windows)
        factors = {} if logs is None else {kind: torch.exp(values) for kind, values in logs.items()}
        x = torch.from_numpy(np.ascontiguousarray(self.checkpoint.embedding[windows.ravel()], np.float32))
        turn = [torch.from_numpy(part) for part in rotary(self.shape, windows.shape[1])]
        for layer in range(self.shape.layers):
            x = self._layer(layer, x, windows.shape, turn, factors)
        return self._norm("output_norm.weight", x, factors).reshape(*windows.shape, -1)

    def _layer(self, layer: int, x: Tensor, size: tuple, turn: Sequence[Tensor], factors: Logs) -> Tensor:
        shape = self.shape

        def multiply(values, *kinds):
            names = [f"blk.{layer}.{kind}.weight" for kind in kinds]
            spread = {self.products[name].form: None for name in names}
            for form in spread:
                spread[form] = _spread(values, *form).to(self.dtype)
            return [self.products[name](spread[self.products[name].form], self._factor(name, factors))
                    for name in names]

        h = self._norm(f"blk.{layer}.attn_norm.weight", x, factors)
        sizes = shape.key_dim, shape.key_dim, shape.value_dim
        q, k, v = (part.reshape(*size, -1, own).transpose(1, 2)
                   for part, own in zip(multiply(h, "attn_q", "attn_k", "attn_v"), sizes, strict=True))
        o = functional.scaled_dot_product_attention(_turned(q, *turn), _turned(k, *turn), v, is_causal=True,
                                                    scale=shape.score_scale, enable_gqa=shape.group > 1)
        x = x + multiply(o.transpose(1, 2).reshape(len(x), -1), "attn_output")[0]
        gate, up = multiply(self._norm(f"blk.{layer}.ffn_norm.weight", x, factors), "ffn_gate", "ffn_up")
        return x + multiply(functional.silu(gate) * up, "ffn_down")[0]

    def _norm(self, name: str, x: Tensor, factors: Logs) -> Tensor:
        factor, gain = self._factor(name, factors), self.gains[name]
        return functional.rms_norm(x, x.shape[-1:], gain if factor is None else gain * factor, self.shape.norm.eps)

    def _factor(self, name: str, factors: Logs) -> Tensor | None:
        part = self.parts.get(name)
        return None if part is None or part.kind not in factors else factors[part.kind][part.span]

    def _norms(self) -> list[str]:
        kinds = ("attn_norm", "ffn_norm")
        return ["output_norm.weight", *(f"blk.{layer}.{kind}.weight" for layer in range(self.shape.layers)
                                        for kind in kinds)]


class Fixed:
    """A product with the float weights [rows, cols] of a matrix."""

    def __init__(self, weights: np.ndarray, dtype: Any):
        self.form = weights.shape[1], False
        self.weights = torch.from_numpy(np.array(weights)).to(dtype)

    def __call__(self, x: Tensor, factor: Tensor | None) -> Tensor:
        return (x @ self.weights.T).float()


class Scaled:
    """A product with the integers of a matrix, which bfloat16 has exactly, and scales that are trained.

    `form`: what its input is spread to.
    """

    def __init__(self, matrix: Matrix, dtype: Any):
        self.form, self.rows = (matrix.width, matrix.form.rotated), matrix.rows
        self.by_row, self.terms = matrix.form.row_scale, matrix.form.terms
        weights = torch.from_numpy(integers(matrix)).to(dtype)
        self.weights = weights.reshape(matrix.rows, -1) if self.by_row else weights
        self.scale = torch.from_numpy(matrix.scale.astype(np.float32))
        self.offset = None if matrix.offset is None else torch.from_numpy(matrix.offset.astype(np.float32))

    def __call__(self, x: Tensor, factor: Tensor | None) -> Tensor:
        scale = self.scale if factor is None else self.scale * factor.reshape(self.scale.shape)
        if self.by_row:
            return (x @ self.weights.T).float() * scale
        weights = self.weights.float() * scale[:, :, None]
        if self.terms > 1:
            weights = weights.reshape(self.rows, -1, self.terms, weights.shape[-1]).sum(2)
        if self.offset is not None:
            weights = weights + self.offset[:, :, None]
        return (x @ weights.reshape(self.rows, -1).to(x.dtype).T).float()


class Divergence(torch.autograd.Function):
    """See `divergence`; the gradient is made on the way, while the logits are there."""

    @staticmethod
    def forward(ctx, x, target, head, target_head, dtype):
        loss, gradient, rounded = 0.0, torch.empty_like(x), head.to(dtype)
        for part, h, t in zip(gradient.split(POSITIONS), x.split(POSITIONS), target.split(POSITIONS), strict=True):
            expected = functional.log_softmax(t @ target_head.T, -1)
            found = functional.log_softmax(h @ head.T, -1)
            p = expected.exp()
            loss += torch.dot(p.ravel(), expected.sub_(found).ravel()) / len(x)
            part.copy_(found.exp_().sub_(p).to(dtype) @ rounded)
        ctx.save_for_backward(gradient.div_(len(x)))
        return loss

    @staticmethod
    def backward(ctx, *grads):
        return ctx.saved_tensors[0] * grads[0], None, None, None, None


def divergence(model: TorchModel, states: Tensor, base: TorchModel, target: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence, nats, of the model's predictions from the base's at every position.

    ``states``, ``target``: what `TorchModel.states` gives for both.
    """
    return Divergence.apply(states.flatten(0, -2), target.flatten(0, -2), model.head, base.head, model.dtype)


def _spread(x: Tensor, width: int, rotated: bool) -> Tensor:
    """Inputs [tokens, cols] filled up to ``width`` columns and, if so, rotated, as a `Scaled` product reads them."""
    x = functional.pad(x, (0, width - x.shape[-1])) if width > x.shape[-1] else x
    return (x.reshape(-1, TURN) @ _walsh()).reshape(x.shape) if rotated else x


def _walsh() -> Tensor:
    index = np.arange(TURN)
    odd = np.bitwise_count(index[:, None] & index) & 1
    return torch.from_numpy(np.where(odd, np.float32(-1 / 8), np.float32(1 / 8)))


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary embedding of [window, head, position, element]; pairs are adjacent elements."""
    size = 2 * cosine.shape[-1]
    even, odd = x[..., 0:size:2], x[..., 1:size:2]
    turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)
    return torch.cat([turned, x[..., size:]], -1)
