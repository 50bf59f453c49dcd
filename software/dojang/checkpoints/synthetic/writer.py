"""Random GGUF files."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

import gguf
import numpy as np

from ...tokenizer import byte_characters
from ..blocks.writing import write_blocks
from ..rules import QKNorm
from ..shape import ModelShape
from .layouts import LAYOUTS, Keys, Layout, rotation_of

__all__ = ["END", "write_synthetic"]

END = "<|end|>"

BIAS = 0.5
"""Deviation of biases; that of the products they are added to is about 1."""


def write_synthetic(path: str | Path, shape: ModelShape, matrix_type: str | Sequence[str] = "Q4_1",
                    embedding_type: str | None = None, head_type: str | None = None, seed: int = 0,
                    eos: bool = False, keys: Keys | None = None, sharpness: float = 1.0,
                    family: str = "llama", spread: float = 1.0, chat_template: str | None = None) -> Path:
    """Write a random model of `shape` with a byte-level tokenizer and return its path.

    Parameters
    ----------
    path: the file to write.
    shape: one that the family has, whose `d`, `ffn` and ``heads * value_dim`` are whole blocks, of 32 or 256, where a
        type has them.
    matrix_type, embedding_type, head_type: names of `BLOCK_TYPES` that can be written, ``F32``, ``F16`` or ``BF16``.
        Of several `matrix_type` the layers' matrices take turns, those that stand in one tensor as one; embedding (and
        learned positions) and head have the first and the last one if None.
    seed: of all weights.
    eos: name an end token, which a random model may then hit; without, generation never ends by itself.
    keys: further metadata, or other than the shape's, by key without the family in front.
    sharpness: factor of queries and of keys; above 1 attention, and so what is rotated, decides more.
    family: one of `LAYOUTS`, ``general.architecture``.
    spread: deviation of what enters the first layer; below 1 the layers decide more, and in tied models the token less.
    chat_template: Jinja source, if the model is to have one.
    """
    layout, rng = LAYOUTS[family], np.random.default_rng(seed)
    kinds = [matrix_type] if isinstance(matrix_type, str) else list(matrix_type)
    turns = cycle(kinds)
    writer = gguf.GGUFWriter(path, family)
    _add_sizes(writer, shape, layout)
    for key, value in {**layout.keys(shape), **(keys or {})}.items():
        _add_key(writer, f"{family}.{key}", value)
    _add_tokenizer(writer, shape.vocab, eos)
    if chat_template is not None:
        writer.add_chat_template(chat_template)

    def add(name, values, kind):
        writer.add_tensor(name, write_blocks(values, kind), raw_dtype=gguf.GGMLQuantizationType[kind])

    def matrix(name, rows, cols):
        factor = sharpness if name in ("attn_q", "attn_k") and shape.qk_norm is QKNorm.NONE else 1.0
        return factor * (rng.standard_normal((rows, cols)) / np.sqrt(cols))

    def vector(name, size):
        if name.endswith(".bias"):
            return BIAS * rng.standard_normal(size)
        factor = sharpness if name in ("attn_q_norm.weight", "attn_k_norm.weight") else 1.0
        return factor * (1 + 0.2 * rng.standard_normal(size))

    add("token_embd.weight", rng.standard_normal((shape.vocab, shape.d)) * (spread / shape.embedding_scale),
        embedding_type or kinds[0])
    if shape.learned_positions:
        add("position_embd.weight", spread * rng.standard_normal((shape.context, shape.d)), embedding_type or kinds[0])
    for layer in range(shape.layers):
        vectors = {name: vector(name, size) for name, size in shape.vectors().items()}
        for group, parts in layout.groups(shape).items():
            biases = [vectors.pop(f"{part}.bias") for part in parts if f"{part}.bias" in vectors]
            if biases:
                add(f"blk.{layer}.{group}.bias", np.concatenate(biases), "F32")
        for name, values in vectors.items():
            add(f"blk.{layer}.{name}", values, "F32")
        for group, parts in layout.groups(shape).items():
            rows = np.concatenate([matrix(part, *shape.matrices()[part]) for part in parts])
            add(f"blk.{layer}.{group}.weight", rows, next(turns))
    output_norms = [name for name in shape.tensors() if name.startswith("output_norm.")]
    for name in output_norms:
        add(name, vector(name, shape.d), "F32")
    if not shape.tied:
        add("output.weight", matrix("output", shape.vocab, shape.d), head_type or kinds[-1])
    for name, factors in _rotary_tensors(shape).items():
        add(name, np.array(factors), "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def _add_sizes(writer: gguf.GGUFWriter, shape: ModelShape, layout: Layout) -> None:
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.d)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_vocab_size(shape.vocab)
    if layout.sized or shape.heads * shape.key_dim != shape.d or shape.value_dim != shape.key_dim:
        writer.add_key_length(shape.key_dim)
        writer.add_value_length(shape.value_dim)


def _add_key(writer: gguf.GGUFWriter, key: str, value: int | float | str | Sequence[bool]) -> None:
    if isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, Sequence):
        writer.add_array(key, value)
    else:
        {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}[type(value)](key, value)


def _rotary_tensors(shape: ModelShape) -> dict[str, tuple[float, ...]]:
    rotation = rotation_of(shape)
    if rotation is None or (rotation.factors is None and rotation.factors_long is None):
        return {}
    if rotation.factors_long is None:
        return {"rope_freqs.weight": rotation.factors or ()}
    short = rotation.factors or (1.0,) * (rotation.dim // 2)
    return {"rope_factors_short.weight": short, "rope_factors_long.weight": rotation.factors_long}


def _add_tokenizer(writer: gguf.GGUFWriter, vocab: int, eos: bool) -> None:
    """One token per byte, as many as fit; the end token last, fillers between."""
    tokens = byte_characters()[:vocab]
    tokens += [f"<|{index}|>" for index in range(len(tokens), vocab)]
    types = [1 if index < 256 else 3 for index in range(vocab)]
    if eos:
        tokens[-1], types[-1] = END, 3
        writer.add_eos_token_id(vocab - 1)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_add_bos_token(False)
