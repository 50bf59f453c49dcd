"""Forward pass of a checkpoint in PyTorch, differentiable in the logarithms of scales and gains."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  (an optional extra)
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from ..checkpoints import Activation, Checkpoint, LayerKind, Matrix, QKNorm
from ..compress.forward import hidden, rotary, start
from .parameters import Parameters
from .products import Fixed, Scaled, Tensor, spread

__all__ = ["TorchModel"]

Logs = Mapping[str, Tensor]

ACTIVATIONS = {Activation.SILU: functional.silu,
               Activation.GELU_TANH: partial(functional.gelu, approximate="tanh"), Activation.GELU_ERF: functional.gelu}


class TorchModel:
    """A model whose codes and biases are frozen.

    Parameters
    ----------
    checkpoint: the model.
    parameters: of the model, or None where nothing is trained.
    dtype: of the products' operands; everything else is float32.

    Attributes
    ----------
    head: float32 [vocab, d], the scale of the logits in it.
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
        self.vectors = {name: torch.from_numpy(np.array(checkpoint.vector(name))) for name in checkpoint.vector_names}
        self.head = torch.from_numpy(checkpoint.head.dequantize()) * self.shape.logit_scale
        self.dtype = dtype

    def states(self, windows: np.ndarray, logs: Logs | None = None) -> Tensor:
        """What the head reads: float32 [windows, length, d] for token ids [windows, length].

        ``logs``: the parameters of each kind.
        """
        windows = np.asarray(windows)
        factors = {} if logs is None else {kind: torch.exp(values) for kind, values in logs.items()}
        x = torch.from_numpy(start(self.checkpoint, windows)).flatten(0, 1)
        rules = {kind: Rules(kind, windows.shape[1]) for kind in self.shape.kinds}
        for layer in range(self.shape.layers):
            x = _Layer(self, layer, factors).run(x, windows.shape, rules[self.shape.kind(layer)])
        return self.norm("output_norm", x, factors).reshape(*windows.shape, -1)

    def logits(self, states: Tensor) -> Tensor:
        """Of what `states` gives."""
        return _capped(states @ self.head.T, self.shape.logit_cap)

    def norm(self, name: str, x: Tensor, factors: Logs) -> Tensor:
        """The norm whose tensors are ``name.weight`` and, if the model has them, ``name.bias``."""
        gain, rule = self.gain(f"{name}.weight", factors), self.shape.norm
        if rule.centred:
            h = functional.layer_norm(x, x.shape[-1:], gain, eps=rule.eps)
        else:
            h = functional.rms_norm(x, x.shape[-1:], gain, rule.eps)
        return h + self.vectors[f"{name}.bias"] if rule.bias else h

    def gain(self, name: str, factors: Logs) -> Tensor:
        """The gain of that tensor name, with its factors."""
        factor = self.factor(name, factors)
        return self.vectors[name] if factor is None else self.vectors[name] * factor

    def factor(self, name: str, factors: Logs) -> Tensor | None:
        """What a tensor is multiplied with; None where it is not trained."""
        part = self.parts.get(name)
        return None if part is None or part.kind not in factors else factors[part.kind][part.span]


class Rules:
    """What layers of a kind need for windows of ``length`` tokens.

    Attributes
    ----------
    turn: cosines and sines, or None without rotation.
    hidden: what is added to scores.
    windowed: not all positions before are seen.
    """

    def __init__(self, kind: LayerKind, length: int):
        tables = rotary(kind, length)
        self.turn = None if tables is None else [torch.from_numpy(table) for table in tables]
        self.hidden = torch.from_numpy(hidden(kind, length))
        self.windowed = kind.at(length).window > 0


class _Layer:
    """One layer of a model at some factors."""

    def __init__(self, model: TorchModel, index: int, factors: Logs):
        self.model, self.shape, self.at, self.factors = model, model.shape, f"blk.{index}.", factors

    def run(self, x: Tensor, size: tuple, rules: Rules) -> Tensor:
        """The residual stream [tokens, d] behind the layer; ``size``: windows, length."""
        h = self._norm("attn_norm", x)
        q, k, v = self._multiply(h, "attn_q", "attn_k", "attn_v")
        q, k = (self._norm_of_heads(name, values.reshape(*size, -1, self.shape.key_dim)).transpose(1, 2)
                for name, values in (("attn_q", q), ("attn_k", k)))
        v = v.reshape(*size, -1, self.shape.value_dim).transpose(1, 2)
        o = self._attention(q, k, v, rules).transpose(1, 2).reshape(len(x), -1)
        x = self._added(x, self._multiply(o, "attn_output")[0], "post_attention_norm")
        h = self._norm("ffn_norm", x)
        if self.shape.gated:
            gate, up = self._multiply(h, "ffn_gate", "ffn_up")
            a = ACTIVATIONS[self.shape.activation](gate) * up
        else:
            a = ACTIVATIONS[self.shape.activation](self._multiply(h, "ffn_up")[0])
        return self._added(x, self._multiply(a, "ffn_down")[0], "post_ffw_norm")

    def _attention(self, q, k, v, rules):
        shape = self.shape
        if rules.turn is not None:
            q, k = _turned(q, *rules.turn), _turned(k, *rules.turn)
        if not shape.score_cap:
            return functional.scaled_dot_product_attention(
                q, k, v, rules.hidden if rules.windowed else None, is_causal=not rules.windowed,
                scale=shape.score_scale, enable_gqa=shape.group > 1)
        k, v = (each.repeat_interleave(shape.group, 1) for each in (k, v))
        score = _capped(q @ k.transpose(-1, -2) * shape.score_scale, shape.score_cap)
        return torch.softmax(score + rules.hidden, -1) @ v

    def _multiply(self, values, *kinds):
        """Products of the layer's matrices with the same values, and their biases."""
        model, names = self.model, [f"{self.at}{kind}.weight" for kind in kinds]
        forms = {model.products[name].form: None for name in names}
        for form in forms:
            forms[form] = spread(values, *form).to(model.dtype)
        products = [model.products[name](forms[model.products[name].form], model.factor(name, self.factors))
                    for name in names]
        return [product + model.vectors[f"{self.at}{kind}.bias"] if kind in self.shape.biases else product
                for kind, product in zip(kinds, products, strict=True)]

    def _norm(self, name, x):
        """``x`` itself where a layer has no such norm."""
        return self.model.norm(f"{self.at}{name}", x, self.factors) if name in self.shape.norms else x

    def _norm_of_heads(self, name, x):
        """Of queries or keys [window, position, head, element]."""
        over = self.shape.qk_norm
        if over is QKNorm.NONE:
            return x
        values = x if over is QKNorm.HEAD else x.flatten(2)
        gain = self.model.gain(f"{self.at}{name}_norm.weight", self.factors)
        return functional.rms_norm(values, values.shape[-1:], gain, self.shape.norm.eps).reshape(x.shape)

    def _added(self, x, y, norm):
        y = self._norm(norm, y)
        return x + (y if self.shape.residual_scale == 1 else y * self.shape.residual_scale)


def _turned(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotary embedding of [window, head, position, element]; pairs are adjacent elements."""
    size = 2 * cosine.shape[-1]
    even, odd = x[..., 0:size:2], x[..., 1:size:2]
    turned = torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], -1).flatten(-2)
    return torch.cat([turned, x[..., size:]], -1)


def _capped(values: Tensor, cap: float) -> Tensor:
    return cap * torch.tanh(values / cap) if cap else values
