"""GGUF import through the gguf package, with every damage turned into a `CheckpointError`."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from .checkpoint import Checkpoint, Embedding, TokenizerData, quantised_message
from .errors import CheckpointError
from .matrix import FLOAT_TYPES, SUPPORTED_TYPES, Matrix, from_blocks, quantize
from .shape import LlamaShape

END_TOKENS = ("<|im_end|>", "<|eot_id|>")
"""Tokens that end a turn whatever the metadata says."""

ARRAY_LIMIT = 1 << 22
"""Elements of a metadata list; the largest vocabularies have 2^18. A damaged count must not keep the reader busy."""


class _Reader(gguf.GGUFReader):
    """A reader that refuses to read beyond the file (the base class silently returns less, or loops for ever)."""

    def _get(self, offset, dtype, count=1, override_order=None):
        if int(offset) + np.dtype(dtype).itemsize * int(count) > len(self.data):
            raise ValueError("it ends before its contents do")
        return super()._get(offset, dtype, count, override_order)

    def _get_field_parts(self, orig_offs, raw_type):
        if raw_type == gguf.GGUFValueType.ARRAY:
            count = int(self._get(orig_offs + 4, np.uint64)[0])
            if count > ARRAY_LIMIT:
                raise ValueError(f"a list has {count} elements")
        return super()._get_field_parts(orig_offs, raw_type)


def load_gguf(path: Path, name: str, weights_bits: int) -> Checkpoint:
    """Open a GGUF file of the ``llama`` architecture; see `dojang.checkpoints.load`."""
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
    except FileNotFoundError:
        raise CheckpointError(f"model file {path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"model file {path} cannot be read: {error.strerror}") from None
    if magic != b"GGUF":
        raise CheckpointError(f"{path} is not a GGUF file")
    try:
        reader = _Reader(path)
        file = _GGUFFile(path, reader)
        return file.checkpoint(name, weights_bits)
    except CheckpointError:
        raise
    except Exception as error:  # the package raises whatever a damaged byte leads to
        raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None


class _GGUFFile:
    """Fields and tensors of an open file."""

    def __init__(self, path: Path, reader: gguf.GGUFReader):
        self.path, self.reader = path, reader
        self.tensors = {tensor.name: tensor for tensor in reader.tensors}

    def field(self, key: str, default: Any = None) -> Any:
        field = self.reader.get_field(key)
        return default if field is None else field.contents()

    def number(self, key: str, default: float | None = None) -> float:
        value = self.field(key, default)
        if not isinstance(value, int | float):
            problem = "is missing" if value is None else f"is {value!r}, not a number"
            raise CheckpointError(f"{self.path}: hyper-parameter {key} {problem}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        value = self.number(key, default)
        if not isinstance(value, int):
            raise CheckpointError(f"{self.path}: hyper-parameter {key} is {value!r}, not an integer")
        return value

    def tensor(self, name: str, size: tuple[int, ...]):
        """The tensor, checked for presence, type and size."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise CheckpointError(f"{self.path}: tensor {name} is missing")
        if tensor.tensor_type.name not in SUPPORTED_TYPES:
            raise CheckpointError(f"{self.path}: tensor {name} has type {tensor.tensor_type.name}, supported are "
                                  f"{', '.join(SUPPORTED_TYPES)}")
        found = tuple(int(n) for n in reversed(tensor.shape))
        if found != size:
            raise CheckpointError(f"{self.path}: tensor {name} has size {found}, expected {size}")
        return tensor

    def shape(self) -> LlamaShape:
        architecture = self.field("general.architecture")
        if architecture != "llama":
            raise CheckpointError(f"{self.path}: architecture {architecture!r} is not supported, only 'llama' is")
        if self.count("llama.expert_count", 0):
            raise CheckpointError(f"{self.path}: mixtures of experts are not supported")
        d, heads = self.count("llama.embedding_length"), self.count("llama.attention.head_count")
        rotary = self.count("llama.rope.dimension_count", d // max(heads, 1))
        head_dim = self.count("llama.attention.key_length", rotary)
        if head_dim != rotary or head_dim != self.count("llama.attention.value_length", head_dim):
            raise CheckpointError(f"{self.path}: key, value and rotary sizes of a head differ, which is not supported")
        if "token_embd.weight" not in self.tensors:
            raise CheckpointError(f"{self.path}: tensor token_embd.weight is missing")
        return LlamaShape(
            layers=self.count("llama.block_count"), d=d, heads=heads,
            kv_heads=self.count("llama.attention.head_count_kv", heads), head_dim=head_dim,
            ffn=self.count("llama.feed_forward_length"), vocab=int(self.tensors["token_embd.weight"].shape[-1]),
            context=self.count("llama.context_length"),
            rms_eps=self.number("llama.attention.layer_norm_rms_epsilon", 1e-5),
            rope_base=self.number("llama.rope.freq_base", 10000.0), tied="output.weight" not in self.tensors,
            rope_factors=self.rope_factors(head_dim))

    def rope_factors(self, head_dim: int) -> tuple[float, ...] | None:
        scaling = self.field("llama.rope.scaling.type", "none")
        if scaling not in ("none", "linear"):
            raise CheckpointError(f"{self.path}: rotary scaling {scaling!r} is not supported")
        factor = self.number("llama.rope.scaling.factor", 1.0) if scaling == "linear" else 1.0
        if "rope_freqs.weight" in self.tensors:
            tensor = self.tensor("rope_freqs.weight", (head_dim // 2,))
            return tuple(float(value) * factor for value in _floats(tensor.data, tensor.tensor_type.name))
        return None if factor == 1.0 else (factor,) * (head_dim // 2)

    def checkpoint(self, name: str, weights_bits: int) -> Checkpoint:
        shape = self.shape()
        sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (shape.vocab, shape.d),
                                             "output_norm.weight": (shape.d,)}
        if not shape.tied:
            sizes["output.weight"] = (shape.vocab, shape.d)
        if shape.layers > len(self.tensors):
            raise CheckpointError(f"{self.path}: {shape.layers} layers but only {len(self.tensors)} tensors")
        for layer in range(shape.layers):
            sizes |= {f"blk.{layer}.{kind}.weight": size for kind, size in shape.matrices().items()}
            sizes |= {f"blk.{layer}.{kind}.weight": (shape.d,) for kind in ("attn_norm", "ffn_norm")}
        for tensor, size in sizes.items():
            self.tensor(tensor, size)
        unknown = sorted(set(self.tensors) - set(sizes) - {"rope_freqs.weight"})
        if unknown:
            raise CheckpointError(f"{self.path}: tensor {unknown[0]} is not part of the supported Llama architecture")
        types = {tensor: self.tensors[tensor].tensor_type.name for tensor in sizes}

        def load_vector(tensor_name: str) -> np.ndarray:
            values = _floats(self.tensors[tensor_name].data, types[tensor_name])
            if not np.isfinite(values).all():
                raise CheckpointError(f"{self.path}: tensor {tensor_name} holds NaN or infinite values")
            return values

        def load_matrix(tensor_name: str) -> Matrix:
            return _matrix(tensor_name, self.tensors[tensor_name].data, types[tensor_name], weights_bits)

        table = self.tensors["token_embd.weight"].data
        embedding = Embedding((shape.vocab, shape.d), lambda ids: _rows(table[ids], types["token_embd.weight"]))
        return Checkpoint(name, shape, embedding, types, quantised_message(types, shape.tied, weights_bits),
                          load_matrix, load_vector, self.tokenizer, self.path.stat().st_size,
                          load_floats=lambda tensor_name: _floats(self.tensors[tensor_name].data, types[tensor_name]))

    def tokenizer(self) -> TokenizerData:
        try:
            tokens = self.field("tokenizer.ggml.tokens", [])
            eos = self.field("tokenizer.ggml.eos_token_id")
            ends = {eos, self.field("tokenizer.ggml.eot_token_id")}
            ends |= {index for index, token in enumerate(tokens) if token in END_TOKENS}
            return TokenizerData(
                model=self.field("tokenizer.ggml.model", "none"), pre=self.field("tokenizer.ggml.pre", "default"),
                tokens=tokens, types=self.field("tokenizer.ggml.token_type", [1] * len(tokens)),
                merges=self.field("tokenizer.ggml.merges", []), bos=self.field("tokenizer.ggml.bos_token_id"), eos=eos,
                add_bos=bool(self.field("tokenizer.ggml.add_bos_token", False)), eos_ids=frozenset(ends - {None}),
                chat_template=self.field("tokenizer.chat_template"))
        except Exception as error:  # bad UTF-8 and whatever else a damaged byte leads to
            raise CheckpointError(f"{self.path}: the tokenizer is corrupt: {error}") from None


def _matrix(name: str, data: np.ndarray, source: str, weights_bits: int) -> Matrix:
    if source in FLOAT_TYPES:
        return quantize(name, _floats(data, source), source, weights_bits)
    return from_blocks(name, data, source)


def _floats(data: np.ndarray, source: str) -> np.ndarray:
    """float32 values of a tensor stored as floats."""
    if source == "BF16":
        return (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if source not in FLOAT_TYPES:
        return _rows(data[None], source)[0]
    return data.astype(np.float32)


def _rows(data: np.ndarray, source: str) -> np.ndarray:
    """float32 rows of a two-dimensional tensor of any supported type."""
    return _floats(data, source) if source in FLOAT_TYPES else gguf.dequantize(data, gguf.GGMLQuantizationType[source])
