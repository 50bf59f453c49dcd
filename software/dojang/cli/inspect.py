"""``dojang inspect``: what a checkpoint holds and what a token costs."""

from collections import Counter

from rich.table import Column, Table

from ..checkpoints import Checkpoint, KeyedFile, UnsupportedError, load, open_model
from ..checkpoints.errors import named
from ..checkpoints.gguf import imported_bytes
from ..tokenizer import TokenizerError, require_supported
from .console import console, output
from .options import Model, Weights
from .shape_rows import shape_rows

ROWS = 256
"""Of a table that a file makes long."""


def inspect(model: Model, weights: Weights = 8):
    """Show the header of a GGUF file of any kind or of a Hugging Face folder, and of a model that can run its shape and
    bytes per token.

    Why a model cannot run, or its prompts cannot be encoded, is said on standard error.
    """
    file = open_model(model)
    if file is not None:
        _print_header(file)
    try:
        checkpoint = load(model if file is None else file, weights)
    except UnsupportedError as error:
        if file is None:
            raise
        _print_types(file)
        console.print(f"this model cannot run: {error}")
        return
    _print_shape(checkpoint, file)
    _print_costs(checkpoint, _costs(checkpoint, file, weights))
    for message in checkpoint.messages:
        output.print(message)
    if file is not None:
        _tell_tokenizer(file)


def _print_header(file: KeyedFile) -> None:
    header = Table(Column("key", overflow="fold"), Column("value", overflow="fold"), title=file.name)
    header.add_row("file", str(file))
    for key, field in list(file.fields.items())[:ROWS]:
        header.add_row(named(key), str(field))
    if len(file.fields) > ROWS:
        header.add_row("and", f"{len(file.fields) - ROWS:,} more")
    output.print(header)


def _print_types(file: KeyedFile) -> None:
    count, weights, size = Counter(), Counter(), Counter()
    for tensor in file.tensors.values():
        count[tensor.type_name] += 1
        weights[tensor.type_name] += tensor.weights
        size[tensor.type_name] += tensor.n_bytes
    tensors = Table("type", "tensors", "weights", "bytes", title="tensors by type")
    for name, number in count.most_common(ROWS):
        tensors.add_row(name, f"{number:,}", f"{weights[name]:,}", f"{size[name]:,}")
    if count:
        output.print(tensors)


def _tell_tokenizer(file: KeyedFile) -> None:
    """Say if prompts cannot be encoded; the vocabulary itself is not read."""
    model, pre = (file.fields.get(f"tokenizer.ggml.{key}") for key in ("model", "pre"))
    try:
        require_supported(str(model), None if pre is None else str(pre))
    except TokenizerError as error:
        console.print(f"prompts cannot be encoded: {error}")


def _print_shape(checkpoint: Checkpoint, file: KeyedFile | None) -> None:
    hyper = Table("hyper-parameter", "value", title=checkpoint.name)
    if file is not None:
        hyper.add_row("family", file.architecture)
    for name, value in shape_rows(checkpoint.shape):
        hyper.add_row(name, value)
    output.print(hyper)


def _costs(checkpoint: Checkpoint, file: KeyedFile | None, weights_bits: int) -> list[tuple[str, int, int]]:
    """Stored type, weights and bytes of every matrix that is read for a token."""
    if file is None:
        return [(matrix.source, matrix.rows * matrix.cols, matrix.stored_bytes) for _, matrix in checkpoint.matrices()]
    unread = {"position_embd.weight"} if checkpoint.shape.tied else {"position_embd.weight", "token_embd.weight"}
    read = [(checkpoint.types[name], size) for name, size in checkpoint.shape.tensors().items()
            if len(size) == 2 and name not in unread]
    return [(source, rows * cols, imported_bytes(rows, cols, source, weights_bits)) for source, (rows, cols) in read]


def _print_costs(checkpoint: Checkpoint, costs: list[tuple[str, int, int]]) -> None:
    shape, weight_count, weight_bytes = checkpoint.shape, Counter(), Counter()
    for source, weights, size in costs:
        weight_count[source] += weights
        weight_bytes[source] += size
    tensors = Table("type", "tensors", "weights read per token", "bytes", "bits per weight, all-in",
                    title="tensors by type")
    for source, count in Counter(checkpoint.types.values()).most_common():
        weights_here = weight_count[source]
        tensors.add_row(source, str(count), f"{weights_here:,}", f"{weight_bytes[source]:,}",
                        f"{weight_bytes[source] * 8 / weights_here:.3f}" if weights_here else "–")
    output.print(tensors)

    total, total_bytes = weight_count.total(), weight_bytes.total()
    elements = sum(size[0] for size in shape.tensors().values() if len(size) == 1)
    vectors = 4 * (elements + shape.d * (1 + shape.learned_positions))
    cost = Table("per token", "", title="cost")
    cost.add_row("bits per weight, all-in", f"{total_bytes * 8 / total:.3f}")
    cost.add_row("weight bytes read", f"{total_bytes:,}")
    cost.add_row("embedding row, norm gains and biases read", f"{vectors:,} bytes")
    cost.add_row("bytes read", f"{total_bytes + vectors:,}, and the KV cache")
    cost.add_row("KV bytes", f"{shape.kv_bytes_per_token:,}")
    output.print(cost)
