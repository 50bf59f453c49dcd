"""A float64 forward pass of any description, from the textbooks' definitions; and what else a description could say."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from dojang.checkpoints import Activation, Checkpoint, LayerKind, Matrix, ModelShape, QKNorm, Rotation

__all__ = ["alterations", "float_tensors", "reference_logits"]

ACTIVATIONS = {
    Activation.SILU: lambda x: x / 2 * (1 + np.tanh(x / 2)),
    Activation.GELU_TANH: lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
    Activation.GELU_ERF: lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
}


def float_tensors(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Every tensor of a model by name, float64."""
    tables = {"token_embd.weight": checkpoint.embedding, "position_embd.weight": checkpoint.positions}
    found = {name: checkpoint.tensor(name) for name in checkpoint.shape.tensors()}
    values = {name: tables[name][:] if tensor is None else tensor.dequantize() if isinstance(tensor, Matrix) else tensor
              for name, tensor in found.items()}
    return {name: array.astype(np.float64) for name, array in (values | {"input": checkpoint.embedding[:]}).items()}


def reference_logits(shape: ModelShape, tensors: Mapping[str, np.ndarray], ids) -> np.ndarray:
    """[len(ids), vocab] of ``ids`` from position 0 on; ``shape``: with the rotary factors of its session.

    ``tensors``: rows first, by their names in GGUF; more than the shape has do not matter. ``input`` has the rows of
    the embedding where they are not those of ``token_embd.weight``.
    """
    x = tensors.get("input", tensors["token_embd.weight"])[ids] * shape.embedding_scale
    if shape.learned_positions:
        x = x + tensors["position_embd.weight"][:len(ids)]
    for layer in range(shape.layers):
        of = {name.removeprefix(f"blk.{layer}."): values for name, values in tensors.items()
              if name.startswith(f"blk.{layer}.")}
        for before, part, after in (("attn_norm", _attention, "post_attention_norm"),
                                    ("ffn_norm", _feed_forward, "post_ffw_norm")):
            y = part(shape, shape.kind(layer), of, _norm(shape, of, before, x) if before in shape.norms else x)
            x = x + shape.residual_scale * (_norm(shape, of, after, y) if after in shape.norms else y)
    logits = _norm(shape, tensors, "output_norm", x) @ tensors[shape.head_name].T * shape.logit_scale
    return _capped(logits, shape.logit_cap)


def _norm(shape, tensors, name, x):
    if shape.norm.centred:
        x = x - x.mean(axis=-1, keepdims=True)
    y = _by_rms(x, shape.norm.eps) * tensors[f"{name}.weight"]
    return y + tensors[f"{name}.bias"] if shape.norm.bias else y


def _by_rms(x, eps):
    return x / np.sqrt((x ** 2).mean(axis=-1, keepdims=True) + eps)


def _linear(shape, of, name, x):
    return x @ of[f"{name}.weight"].T + (of[f"{name}.bias"] if name in shape.biases else 0)


def _capped(x, cap):
    return cap * np.tanh(x / cap) if cap else x


def _attention(shape, kind, of, h):
    """Head by head, every query with all keys, those it does not see taken out before the softmax."""
    count = len(h)
    q, k, v = (_linear(shape, of, f"attn_{name}", h) for name in "qkv")
    if shape.qk_norm == QKNorm.VECTOR:
        q, k = (_by_rms(x, shape.norm.eps) * of[f"attn_{name}_norm.weight"] for name, x in (("q", q), ("k", k)))
    q, k = q.reshape(count, shape.heads, -1), k.reshape(count, shape.kv_heads, -1)
    if shape.qk_norm == QKNorm.HEAD:
        q, k = (_by_rms(x, shape.norm.eps) * of[f"attn_{name}_norm.weight"] for name, x in (("q", q), ("k", k)))
    if kind.rotation is not None:
        q, k = _turned(kind.rotation, q), _turned(kind.rotation, k)
    v = v.reshape(count, shape.kv_heads, -1)
    age = np.arange(count)[:, None] - np.arange(count)
    seen = (age >= 0) & (age < kind.window) if kind.window else age >= 0
    heads = []
    for head in range(shape.heads):
        shared = head * shape.kv_heads // shape.heads
        score = np.where(seen, _capped(q[:, head] @ k[:, shared].T * shape.score_scale, shape.score_cap), -np.inf)
        e = np.exp(score - score.max(axis=1, keepdims=True))
        heads.append(e / e.sum(axis=1, keepdims=True) @ v[:, shared])
    return _linear(shape, of, "attn_output", np.concatenate(heads, axis=1))


def _turned(rotation, x):
    """Pairs as complex numbers, of the first elements of every head."""
    dim = rotation.dim
    rates = rotation.base ** (-np.arange(0, dim, 2) / dim) / np.array(rotation.factors or 1.0)
    turn = rotation.magnitude * np.exp(1j * np.arange(len(x))[:, None, None] * rates)
    pairs = (x[..., 0:dim:2] + 1j * x[..., 1:dim:2]) * turn
    return np.concatenate([np.stack([pairs.real, pairs.imag], -1).reshape(*x.shape[:2], -1), x[..., dim:]], axis=-1)


def _feed_forward(shape, kind, of, h):
    act, up = ACTIVATIONS[shape.activation], _linear(shape, of, "ffn_up", h)
    return _linear(shape, of, "ffn_down", act(_linear(shape, of, "ffn_gate", h)) * up if shape.gated else act(up))


def alterations(shape: ModelShape) -> Iterator[tuple[str, ModelShape]]:
    """Descriptions of which each leaves out one thing that ``shape`` asks for, or has another in its place.

    First what it is. All tensors that they need are among those of ``shape``.
    """
    usual = ModelShape(shape.layers, shape.d, shape.heads, shape.kv_heads, shape.head_dim, shape.ffn, shape.vocab,
                       shape.context, key_dim=shape.key_dim)
    changes: list[dict[str, Any]] = [{name: getattr(usual, name)} for name in (
        "score_scale", "score_cap", "logit_cap", "logit_scale", "embedding_scale", "residual_scale",
        "learned_positions", "qk_norm")]
    for name in ("norms", "biases"):
        changes += ({name: tuple(other for other in getattr(shape, name) if other != left_out)}
                    for left_out in getattr(shape, name))
    if Activation.SILU != shape.activation:  # the other two are too near each other
        changes.append({"activation": Activation.SILU})
    changes += ({"norm": replace(shape.norm, **change)} for change in (
        {"eps": 1.0 if shape.norm.eps < 1e-3 else 1e-5}, {"bias": False}, {"centred": not shape.norm.centred}))
    for index, kind in enumerate(shape.kinds):
        changes += ({"kinds": (*shape.kinds[:index], other, *shape.kinds[index + 1:])} for other in _other_kinds(kind))
    for change in changes:
        if (altered := replace(shape, **change)) != shape:
            yield f"{change}", altered


def _other_kinds(kind: LayerKind) -> Iterator[LayerKind]:
    if kind.window:
        yield from (replace(kind, window=window) for window in (0, kind.window - 1, kind.window + 1))
    rotation, usual = kind.rotation, Rotation()
    if rotation is None:
        yield replace(kind, rotation=usual)
        return
    yield replace(kind, rotation=None)
    for name in ("base", "factors", "magnitude"):
        yield replace(kind, rotation=replace(rotation, **{name: getattr(usual, name)}))
    yield replace(kind, rotation=replace(rotation, dim=0, factors=None))
