"""``dojang inspect``: what a checkpoint holds and what a token costs."""

from collections import Counter, defaultdict
from typing import Annotated

import typer
from rich.table import Table

from ..checkpoints import load
from .console import output

Model = Annotated[str, typer.Argument(help="Path of a GGUF file, smollm2 or glassllm.")]
Weights = Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")]


def inspect(model: Model, weights: Weights = 8):
    """Show hyper-parameters, tensors by type and bytes per token of a model."""
    checkpoint = load(model, weights)
    shape = checkpoint.shape
    hyper = Table("hyper-parameter", "value", title=checkpoint.name)
    factors = "none" if shape.rope_factors is None else f"{min(shape.rope_factors):g} to {max(shape.rope_factors):g}"
    for name, value in (
        ("layers", shape.layers), ("embedding d", shape.d), ("heads × KV heads × size",
         f"{shape.heads} × {shape.kv_heads} × {shape.head_dim}"), ("FFN", shape.ffn), ("vocabulary", shape.vocab),
        ("context", shape.context), ("RMS eps", f"{shape.rms_eps:g}"), ("rotary base", f"{shape.rope_base:g}"),
        ("rotary frequency factors", factors), ("head", "tied to the embedding" if shape.tied else "own matrix"),
    ):
        hyper.add_row(name, str(value))
    output.print(hyper)

    by_type = Counter(checkpoint.types.values())
    weight_count, weight_bytes, elsewhere = defaultdict(int), defaultdict(int), defaultdict(int)
    for _, matrix in checkpoint.matrices():
        weight_count[matrix.source] += matrix.rows * matrix.cols
        weight_bytes[matrix.source] += matrix.stored_bytes
        elsewhere[matrix.source] += 1
    tensors = Table("type", "tensors", "weights read per token", "bytes", "bits per weight, all-in",
                    title="tensors by type")
    for source, count in by_type.most_common():
        weights_here = weight_count[source]
        tensors.add_row(source, str(count), f"{weights_here:,}", f"{weight_bytes[source]:,}",
                        f"{weight_bytes[source] * 8 / weights_here:.3f}" if weights_here else "–")
    output.print(tensors)

    total, total_bytes = sum(weight_count.values()), sum(weight_bytes.values())
    vectors = 4 * shape.d * (2 * shape.layers + 2)
    cost = Table("per token", "", title="cost")
    cost.add_row("bits per weight, all-in", f"{total_bytes * 8 / total:.3f}")
    cost.add_row("weight bytes read", f"{total_bytes:,}")
    cost.add_row("embedding row and norm gains read", f"{vectors:,} bytes")
    cost.add_row("bytes read", f"{total_bytes + vectors:,}, and the KV cache")
    cost.add_row("KV bytes", f"{shape.kv_bytes_per_token:,}")
    output.print(cost)
    for message in checkpoint.messages:
        output.print(message)
