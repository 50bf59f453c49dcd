"""Random Llama models for tests and benches: small ones as GGUF files, matrices in compressed forms for any."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from zlib import crc32

import gguf
import numpy as np

from ..tokenizer import byte_characters
from .blocks.writing import write_blocks
from .checkpoint import Checkpoint, Embedding, Messages, TokenizerData
from .form import BLOCK, Form
from .matrix import Matrix
from .rules import Rotation
from .scale_set import ScaleSet
from .shape import ModelShape

END = "<|end|>"


def write_synthetic(path: str | Path, shape: ModelShape, matrix_type: str | Sequence[str] = "Q4_1",
                    embedding_type: str | None = None, head_type: str | None = None, seed: int = 0,
                    eos: bool = False, keys: Mapping[str, int | float | str] | None = None,
                    sharpness: float = 1.0) -> Path:
    """Write a random model of `shape` with a byte-level tokenizer and return its path.

    Parameters
    ----------
    path: the file to write.
    shape: any shape whose `d`, `ffn` and ``heads * head_dim`` are whole blocks, of 32 or 256, where a type has them.
    matrix_type, embedding_type, head_type: names of `BLOCK_TYPES` that can be written, ``F32``, ``F16`` or ``BF16``.
        Of several `matrix_type` the layers' matrices take turns; embedding and head have the first and the last one if
        None.
    seed: of all weights.
    eos: name an end token, which a random model may then hit; without, generation never ends by itself.
    keys: further metadata, by key without ``llama.`` in front.
    sharpness: factor of queries and of keys; above 1 attention, and so what is rotated, decides more.
    """
    rng = np.random.default_rng(seed)
    kinds = [matrix_type] if isinstance(matrix_type, str) else list(matrix_type)
    turns = cycle(kinds)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.d)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.key_dim)
    writer.add_value_length(shape.value_dim)
    _add_rotary(writer, shape, keys or {})
    writer.add_layer_norm_rms_eps(shape.norm.eps)
    writer.add_vocab_size(shape.vocab)
    _add_tokenizer(writer, shape.vocab, eos)

    def add(name, values, kind):
        writer.add_tensor(name, write_blocks(values, kind), raw_dtype=gguf.GGMLQuantizationType[kind])

    def matrix(rows, cols):
        return rng.standard_normal((rows, cols)) / np.sqrt(cols)

    def gain():
        return 1 + 0.2 * rng.standard_normal(shape.d)

    add("token_embd.weight", rng.standard_normal((shape.vocab, shape.d)), embedding_type or kinds[0])
    for layer in range(shape.layers):
        add(f"blk.{layer}.attn_norm.weight", gain(), "F32")
        add(f"blk.{layer}.ffn_norm.weight", gain(), "F32")
        for kind, size in shape.matrices().items():
            factor = sharpness if kind in ("attn_q", "attn_k") else 1.0
            add(f"blk.{layer}.{kind}.weight", factor * matrix(*size), next(turns))
    add("output_norm.weight", gain(), "F32")
    if not shape.tied:
        add("output.weight", matrix(shape.vocab, shape.d), head_type or kinds[-1])
    for name, factors in _rotary_tensors(shape).items():
        add(name, np.array(factors), "F32")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def _add_rotary(writer: gguf.GGUFWriter, shape: ModelShape, keys: Mapping[str, int | float | str]) -> None:
    """What differs from the defaults, and ``keys``."""
    rotation = _rotation(shape)
    writer.add_rope_dimension_count(rotation.dim)
    writer.add_rope_freq_base(rotation.base)
    if shape.score_scale != 1 / np.sqrt(shape.key_dim):
        writer.add_attention_scale(shape.score_scale)
    if rotation.magnitude != 1:
        writer.add_rope_scaling_attn_factors(rotation.magnitude)
    if rotation.factors_long is not None:
        writer.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)
        writer.add_rope_scaling_orig_ctx_len(rotation.original_context)
    for key, value in keys.items():
        add = {str: writer.add_string, int: writer.add_uint32, float: writer.add_float32}[type(value)]
        add(f"llama.{key}", value)


def _rotary_tensors(shape: ModelShape) -> dict[str, tuple[float, ...]]:
    rotation = _rotation(shape)
    if rotation.factors_long is None:
        return {} if rotation.factors is None else {"rope_freqs.weight": rotation.factors}
    short = rotation.factors or (1.0,) * (rotation.dim // 2)
    return {"rope_factors_short.weight": short, "rope_factors_long.weight": rotation.factors_long}


def _rotation(shape: ModelShape) -> Rotation:
    rotation = shape.kinds[0].rotation
    assert rotation is not None
    return rotation


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


def random_matrix(name: str, rows: int, cols: int, form: Form, seed: int = 0, density: float = 1.0) -> Matrix:
    """A matrix of random codes of ``form``; weights like those of a layer. ``density`` below 1: so many are kept."""
    rng = np.random.default_rng([seed, crc32(name.encode())])
    blocks = -(-cols // form.group) * form.group // BLOCK * form.terms
    low = -(1 << form.bits - 1) if form.signed else 0
    codes = rng.integers(low, low + (1 << form.symbol_bits), (-(-rows // form.step_rows), blocks, BLOCK))
    size = (rows,) if form.row_scale else (rows, blocks * BLOCK // form.group)
    spread = (1 << form.bits + form.double) * np.sqrt(cols) / 3
    scale = ((1 + rng.random(size)) * rng.choice([-1, 1], size) / spread).astype(np.float16)
    mask = None if density == 1 else rng.random((rows, blocks, BLOCK)) < density
    codes = codes.astype(np.int8 if form.signed else np.uint8)
    return Matrix(name, rows, cols, codes, form, scale, None, "random", mask)


def random_checkpoint(shape: ModelShape, forms: Sequence[Form] = (Form(8, signed=True),), seed: int = 0,
                      sharpness: float = 1.0) -> Checkpoint:
    """A model of any description that is in no file: random codes of ``forms`` in turns, gains around 1, biases.

    ``sharpness``: see `write_synthetic`.
    """
    sizes, turns = shape.tensors(), cycle(forms)
    of = {name: next(turns) for name, size in sizes.items() if len(size) == 2}

    def load_matrix(name: str) -> Matrix:
        matrix = random_matrix(name, sizes[name][0], sizes[name][1], of[name], seed)
        sharp = name.endswith(("attn_q.weight", "attn_k.weight"))
        return replace(matrix, scale=(matrix.scale * sharpness).astype(np.float16)) if sharp else matrix

    def random(name: str) -> np.ndarray:
        return np.random.default_rng([seed, crc32(name.encode())]).standard_normal(sizes[name], np.float32)

    def load_vector(name: str) -> np.ndarray:
        return np.float32(0.2) * random(name) + np.float32(not name.endswith(".bias"))

    def table(name: str) -> Embedding:
        rows = load_matrix(name).dequantize() if name == shape.head_name else random(name)
        return Embedding((sizes[name][0], sizes[name][1]), lambda ids: rows[ids])

    tables = {name: table(name) for name in ("token_embd.weight", "position_embd.weight") if name in sizes}
    types = {name: "F32" if name in tables and name != shape.head_name else "random" for name in sizes}
    return Checkpoint("random", shape, tables["token_embd.weight"], types, Messages(), load_matrix, load_vector,
                      lambda: TokenizerData("none"), 0, positions=tables.get("position_embd.weight"),
                      load_floats=lambda name: tables[name][:] if types[name] == "F32" else
                      load_matrix(name).dequantize())


def random_set(checkpoint: Checkpoint, name: str, seed: int) -> ScaleSet:
    """Other scales of every matrix, and other gains: up to a quarter away from the model's own."""
    rng = np.random.default_rng(seed)

    def changed(values: np.ndarray) -> np.ndarray:
        return (values * rng.uniform(0.75, 1.25, values.shape)).astype(values.dtype)

    values = {matrix.name: changed(matrix.scale) for _, matrix in checkpoint.matrices()}
    values |= {name: changed(checkpoint.vector(name)) for name in sorted(checkpoint.vector_names)}
    return ScaleSet(name, values, checkpoint.codes_sha256)


def with_forms(checkpoint: Checkpoint, forms: Sequence[Form | tuple[Form, float]], seed: int = 0) -> Checkpoint:
    """``checkpoint`` with random matrices of ``forms`` (with their density, if it is not 1) in its layers, in turns.

    Columns beyond a matrix's own have random codes too: they meet zeros, or in rotated products they count.
    """
    kinds = list(checkpoint.shape.matrices())

    def load(name: str) -> Matrix:
        if not name.startswith("blk."):
            return checkpoint.load_matrix(name)
        _, layer, kind, _ = name.split(".")
        form = forms[(int(layer) * len(kinds) + kinds.index(kind)) % len(forms)]
        form, density = form if isinstance(form, tuple) else (form, 1.0)
        return random_matrix(name, *checkpoint.shape.matrices()[kind], form, seed, density)

    return replace(checkpoint, load_matrix=load, load_floats=None)


def amplified(checkpoint: Checkpoint, factors: Mapping[str, float]) -> Checkpoint:
    """The model with the scales of the named matrices, or the named gains, multiplied."""
    values = {}
    for name, factor in factors.items():
        tensor = checkpoint.tensor(name)
        own = tensor.scale if isinstance(tensor, Matrix) else tensor
        if own is None:
            raise ValueError(f"{name} is neither matrix nor gain of {checkpoint.name}")
        values[name] = (own * factor).astype(own.dtype)
    return checkpoint.with_set(ScaleSet("amplified", values))
