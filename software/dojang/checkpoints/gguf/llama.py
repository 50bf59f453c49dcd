"""Models of the architecture ``llama``."""

from pathlib import Path

import numpy as np

from ..checkpoint import Checkpoint, Embedding, import_messages
from ..errors import CheckpointError
from ..matrix import Matrix
from ..shape import LlamaShape
from .file import GGUFFile
from .rotary import rope_factors
from .tensors import floats, matrix, rows
from .vocabulary import tokenizer_data

__all__ = ["load_gguf"]


def load_gguf(path: Path, name: str, weights_bits: int) -> Checkpoint:
    """Open a GGUF file of the ``llama`` architecture; see `dojang.checkpoints.load`."""
    file = GGUFFile(path)
    try:
        return _checkpoint(file, name, weights_bits)
    except CheckpointError:
        raise
    except Exception as error:  # the package raises whatever a damaged byte leads to
        raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None


def _shape(file: GGUFFile) -> LlamaShape:
    architecture = file.field("general.architecture")
    if architecture != "llama":
        raise CheckpointError(f"{file.path}: architecture {architecture!r} is not supported, only 'llama' is")
    if file.count("llama.expert_count", 0):
        raise CheckpointError(f"{file.path}: mixtures of experts are not supported")
    d, heads = file.count("llama.embedding_length"), file.count("llama.attention.head_count")
    rotary = file.count("llama.rope.dimension_count", d // max(heads, 1))
    head_dim = file.count("llama.attention.key_length", rotary)
    if head_dim != rotary or head_dim != file.count("llama.attention.value_length", head_dim):
        raise CheckpointError(f"{file.path}: key, value and rotary sizes of a head differ, which is not supported")
    if "token_embd.weight" not in file.tensors:
        raise CheckpointError(f"{file.path}: tensor token_embd.weight is missing")
    return LlamaShape(
        layers=file.count("llama.block_count"), d=d, heads=heads,
        kv_heads=file.count("llama.attention.head_count_kv", heads), head_dim=head_dim,
        ffn=file.count("llama.feed_forward_length"), vocab=int(file.tensors["token_embd.weight"].shape[-1]),
        context=file.count("llama.context_length"),
        rms_eps=file.number("llama.attention.layer_norm_rms_epsilon", 1e-5),
        rope_base=file.number("llama.rope.freq_base", 10000.0), tied="output.weight" not in file.tensors,
        rope_factors=rope_factors(file, head_dim))


def _checkpoint(file: GGUFFile, name: str, weights_bits: int) -> Checkpoint:
    shape = _shape(file)
    sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.vocab, shape.d),
                                         "output_norm.weight": (shape.d,)}
    if not shape.tied:
        sizes["output.weight"] = (shape.vocab, shape.d)
    if shape.layers > len(file.tensors):
        raise CheckpointError(f"{file.path}: {shape.layers} layers but only {len(file.tensors)} tensors")
    for layer in range(shape.layers):
        sizes |= {f"blk.{layer}.{kind}.weight": size for kind, size in shape.matrices().items()}
        sizes |= {f"blk.{layer}.{kind}.weight": (shape.d,) for kind in ("attn_norm", "ffn_norm")}
    for tensor, size in sizes.items():
        file.tensor(tensor, size)
    unknown = sorted(set(file.tensors) - set(sizes) - {"rope_freqs.weight"})
    if unknown:
        raise CheckpointError(f"{file.path}: tensor {unknown[0]} is not part of the supported Llama architecture")
    types = {tensor: file.tensors[tensor].tensor_type.name for tensor in sizes}
    messages = import_messages(types, shape.tied, weights_bits)

    def load_vector(tensor_name: str) -> np.ndarray:
        values = floats(file.tensors[tensor_name].data, types[tensor_name])
        if not np.isfinite(values).all():
            raise CheckpointError(f"{file.path}: tensor {tensor_name} holds NaN or infinite values")
        return values

    def load_matrix(tensor_name: str) -> Matrix:
        return matrix(tensor_name, file.tensors[tensor_name].data, types[tensor_name], weights_bits, messages.tell)

    table = file.tensors["token_embd.weight"].data
    embedding = Embedding((shape.vocab, shape.d), lambda ids: rows(table[ids], types["token_embd.weight"]))
    return Checkpoint(name, shape, embedding, types, messages, load_matrix, load_vector,
                      lambda: tokenizer_data(file), file.path.stat().st_size,
                      load_floats=lambda tensor_name: rows(file.tensors[tensor_name].data, types[tensor_name]))
