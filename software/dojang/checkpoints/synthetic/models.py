"""Random models that are in no file: matrices of any form, for any description or in the place of a model's own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import cycle
from zlib import crc32

import numpy as np

from ..checkpoint import Checkpoint, Embedding, Messages, TokenizerData
from ..form import BLOCK, Form
from ..matrix import Matrix
from ..scale_set import ScaleSet
from ..shape import ModelShape

__all__ = ["amplified", "random_checkpoint", "random_matrix", "random_set", "wide", "with_forms"]

WIDE = ModelShape(layers=1, d=768, heads=12, kv_heads=4, head_dim=64, ffn=1536, vocab=512, context=128)


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


def wide() -> Checkpoint:
    """One layer of 8-bit weights, as wide as 32 contexts leave room for in the SRAM of `batch-32`."""
    return replace(random_checkpoint(WIDE), name="wide")
