"""A model's description as rows of a table: its sizes, and every rule that is not the usual one."""

from collections import Counter
from collections.abc import Iterator

from ..checkpoints import LayerKind, ModelShape, QKNorm, Rotation

__all__ = ["shape_rows"]

NORMS = {"attn_norm": "before attention", "post_attention_norm": "after attention", "ffn_norm": "before the FFN",
         "post_ffw_norm": "after the FFN"}

PLAIN = (("rotary frequency factors", "none"), ("rotary magnitude", "1"))
"""What goes without saying where layers differ."""

FACTORS = {"score_cap": "score cap", "embedding_scale": "embedding factor", "residual_scale": "layer output factor",
           "logit_scale": "logit factor", "logit_cap": "logit cap"}

QK_NORMS = {QKNorm.HEAD: "normalised by head", QKNorm.VECTOR: "normalised over all heads"}


def shape_rows(shape: ModelShape) -> Iterator[tuple[str, str]]:
    """Names and values."""
    values = "" if shape.value_dim == shape.key_dim else f", values {shape.value_dim}"
    yield "layers", str(shape.layers)
    yield "embedding d", str(shape.d)
    yield "heads × KV heads × size", f"{shape.heads} × {shape.kv_heads} × {shape.key_dim}{values}"
    yield "FFN", f"{shape.ffn}{_feed_forward(shape)}"
    yield "vocabulary", str(shape.vocab)
    yield "context", f"{shape.context}{', a learned vector for each position' * shape.learned_positions}"
    norm = shape.norm
    yield f"{'LayerNorm' if norm.centred else 'RMS'} eps", f"{norm.eps:g}{', with a bias' * norm.bias}"
    if shape.norms != ModelShape.norms:
        yield "norms of a layer", ", ".join(NORMS[name] for name in shape.norms) or "none"
    if shape.qk_norm in QK_NORMS:
        yield "queries and keys", QK_NORMS[shape.qk_norm]
    if shape.biases:
        yield "biases", ", ".join(shape.biases)
    yield from _layers(shape)
    yield "score scale", f"{shape.score_scale:g}"
    for field, name in FACTORS.items():
        if getattr(shape, field) != getattr(ModelShape, field):
            yield name, f"{getattr(shape, field):g}"
    yield "head", "tied to the embedding" if shape.tied else "own matrix"


def _feed_forward(shape: ModelShape) -> str:
    if (shape.gated, shape.activation) == (ModelShape.gated, ModelShape.activation):
        return ""
    return f", {shape.activation}{'' if shape.gated else ', not gated'}"


def _layers(shape: ModelShape) -> Iterator[tuple[str, str]]:
    """The rotation, and the window if there is one; a row for each kind if layers differ."""
    counts = Counter(shape.pattern)
    if len(counts) > 1:
        for index, count in sorted(counts.items()):
            rows = (f"{name} {value}" for name, value in _kind(shape.kinds[index]) if (name, value) not in PLAIN)
            yield f"{count} of the layers", ", ".join(rows)
    else:
        yield from _kind(shape.kind(0))


def _kind(kind: LayerKind) -> Iterator[tuple[str, str]]:
    if kind.window:
        yield "window", f"{kind.window:,} positions"
    if kind.rotation is None:
        yield "rotary embedding", "none"
    else:
        yield from _rotation(kind.rotation)


def _rotation(rotation: Rotation) -> Iterator[tuple[str, str]]:
    factors = _span(rotation.factors)
    if rotation.factors_long is not None:
        factors += f"; beyond {rotation.original_context:,} positions {_span(rotation.factors_long)}"
    yield "rotated elements", str(rotation.dim)
    yield "rotary base", f"{rotation.base:g}"
    yield "rotary frequency factors", factors
    yield "rotary magnitude", f"{rotation.magnitude:g}"


def _span(factors: tuple[float, ...] | None) -> str:
    return "none" if factors is None else f"{min(factors):g} to {max(factors):g}"
