"""Models of the architecture ``llama``."""

import numpy as np

from ..checkpoint import Checkpoint, Embedding, import_messages
from ..errors import CheckpointError, UnsupportedError, named, shown
from ..form import BLOCK
from ..matrix import Matrix
from ..rules import LayerKind, Norm
from ..shape import ModelShape
from .file import GGUFFile
from .keys import check_keys
from .rotary import rotary_tensors, rotation
from .tensors import floats, matrix, rows
from .vocabulary import tokenizer_data

__all__ = ["load_gguf"]


def load_gguf(file: GGUFFile, weights_bits: int) -> Checkpoint:
    """The model of a GGUF file of the ``llama`` architecture; see `dojang.checkpoints.load`."""
    if file.architecture != "llama":
        architecture = shown(file.architecture)
        raise UnsupportedError(f"{file.path}: architecture {architecture} is not supported, only 'llama' is")
    if not file.tensors:
        raise UnsupportedError(f"{file.path} has no tensors, only a header")
    if file.order != "<":
        raise UnsupportedError(f"{file.path} is a big-endian file, of which only the header is supported")
    unknown = check_keys(file)
    shape = _shape(file)
    types = _tensor_types(file, shape)
    messages = import_messages(types, shape.tied, weights_bits)
    messages.extend([*unknown, *shape.messages()])

    def load_vector(tensor_name: str) -> np.ndarray:
        values = floats(file.tensors[tensor_name].data, types[tensor_name])
        if not np.isfinite(values).all():
            raise CheckpointError(f"{file.path}: tensor {tensor_name} holds NaN or infinite values")
        return values

    def load_matrix(tensor_name: str) -> Matrix:
        return matrix(tensor_name, file.tensors[tensor_name].data, types[tensor_name], weights_bits, messages.tell)

    table = file.tensors["token_embd.weight"].data
    embedding = Embedding((shape.vocab, shape.d), lambda ids: rows(table[ids], types["token_embd.weight"]))
    return Checkpoint(file.name, shape, embedding, types, messages, load_matrix, load_vector,
                      lambda: tokenizer_data(file), file.size,
                      load_floats=lambda tensor_name: rows(file.tensors[tensor_name].data, types[tensor_name]))


def _shape(file: GGUFFile) -> ModelShape:
    table = file.tensors.get("token_embd.weight")
    if table is None:
        raise CheckpointError(f"{file.path}: tensor token_embd.weight is missing")
    layers, d, context = (file.count(f"llama.{key}") for key in ("block_count", "embedding_length", "context_length"))
    heads = file.layer_count("llama.attention.head_count", layers)
    key_dim, value_dim = (file.count(f"llama.attention.{key}_length", d // max(heads, 1)) for key in ("key", "value"))
    for key, size in (("key", key_dim), ("value", value_dim)):
        if size < 1 or size % 4:
            raise UnsupportedError(f"{file.path}: a {key} of a head has {size} elements, supported are multiples of 4")
    shape = ModelShape(
        layers=layers, d=d, heads=heads, kv_heads=file.layer_count("llama.attention.head_count_kv", layers, heads),
        head_dim=-(-key_dim // BLOCK) * BLOCK, ffn=file.layer_count("llama.feed_forward_length", layers),
        vocab=table.shape[-1] if len(table.shape) == 2 else 0, context=context,
        norm=Norm(file.number("llama.attention.layer_norm_rms_epsilon")),
        tied="output.weight" not in file.tensors, key_dim=key_dim, value_dim=value_dim, score_scale=_score_scale(file),
        kinds=(LayerKind(rotation(file, key_dim, context)),))
    _check_others(file, shape)
    return shape


def _score_scale(file: GGUFFile) -> float:
    """Of `ModelShape`: 0 for the usual one."""
    scale = file.number("llama.attention.scale", 0.0)
    if scale < 0:
        raise CheckpointError(f"{file.path}: hyper-parameter llama.attention.scale is {scale:g}, expected a positive "
                              "number, or 0 for 1 / √key length")
    return scale


def _check_others(file: GGUFFile, shape: ModelShape) -> None:
    """Sizes that must agree with those of the shape."""
    window = file.number("llama.attention.sliding_window", 0)
    if window != 0 and not window >= shape.context:
        raise UnsupportedError(f"{file.path}: a sliding window is not supported: key llama.attention.sliding_window is "
                               f"{window}, expected 0 or at least the context of {shape.context}")
    for key, expected in (("llama.vocab_size", shape.vocab), ("llama.embedding_length_out", shape.d)):
        if file.count(key, expected) != expected:
            raise CheckpointError(f"{file.path}: hyper-parameter {key} is {file.count(key)}, expected {expected} as "
                                  "tensor token_embd.weight has")


def _tensor_types(file: GGUFFile, shape: ModelShape) -> dict[str, str]:
    """Stored type by name of the tensors that a pass uses; each is there and has its size, and there are no others."""
    sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.vocab, shape.d),
                                         "output_norm.weight": (shape.d,)}
    if not shape.tied:
        sizes["output.weight"] = (shape.vocab, shape.d)
    if shape.layers > len(file.tensors):
        raise CheckpointError(f"{file.path}: {shape.layers} layers but only {len(file.tensors)} tensors")
    for layer in range(shape.layers):
        sizes |= {f"blk.{layer}.{kind}.weight": size for kind, size in shape.matrices().items()}
        sizes |= {f"blk.{layer}.{kind}.weight": (shape.d,) for kind in ("attn_norm", "ffn_norm")}
    unknown = sorted(set(file.tensors) - set(sizes) - rotary_tensors(file))
    if unknown:
        raise UnsupportedError(f"{file.path}: tensor {named(unknown[0])} is not part of the supported Llama "
                               "architecture")
    return {name: file.tensor(name, size).type_name for name, size in sizes.items()}
