"""One-bit and ternary weights, as published models have them, in the shape these have: queries and keys normalised per
head, heads of 128, groups of 128.
"""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Embedding, Form, LayerKind, Matrix, ModelShape, Norm, QKNorm, Rotation, load
from dojang.checkpoints.container import Contents, write_container
from dojang.checkpoints.synthetic import random_checkpoint, write_synthetic
from dojang.compress.compress import compress
from dojang.compress.plan import Options, Plan
from dojang.fast import FastModel
from dojang_sim.golden.model import GoldenModel

EPS = float(np.float32(1e-6))
SHAPE = ModelShape(2, 256, 4, 2, 128, 256, 300, 64, norm=Norm(EPS), kinds=(LayerKind(Rotation(1e6)),),
                   qk_norm=QKNorm.HEAD)
FORMS = {"one bit": Form(1, group=128, double=True, zero=-1), "ternary": Form(2, group=128, zero=-1)}
TOKENS = [3, 141, 59, 265, 35]


def ternary(checkpoint):
    """Codes of -1, 0 and 1 only."""
    def load_matrix(name):
        matrix = checkpoint.load_matrix(name)
        return replace(matrix, codes=np.minimum(matrix.codes, 2).astype(np.uint8))

    made = replace(checkpoint, load_matrix=load_matrix, load_floats=None)
    if not made.shape.tied:
        return made
    rows = made.head.dequantize()
    return replace(made, embedding=Embedding(made.embedding.shape, lambda ids: rows[ids]))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("name", FORMS)
def test_every_back_end_and_the_container(name, tied, tmp_path):
    model = random_checkpoint(replace(SHAPE, tied=tied), [FORMS[name]])
    model = ternary(model) if name == "ternary" else model
    expected = GoldenModel(model, 8).forward(TOKENS, 0)
    assert np.isfinite(expected).all() and np.ptp(expected) > 0.1
    np.testing.assert_array_equal(FastModel(model, 8).forward(TOKENS, 0), expected)
    matrices: dict[str, Matrix | np.ndarray] = {each.name: each for _, each in model.matrices()}
    matrices.setdefault("token_embd.weight", model.embedding[:])
    write_container(tmp_path / "m.dojang", Contents(
        "m", model.shape, model.tokenizer, matrices, {each: model.vector(each) for each in model.vector_names},
        {"token_embd.weight": "F32"}))
    found = load(tmp_path / "m.dojang")
    assert found.layers[1].matrix("ffn_up").bits_per_weight == (1.125 if name == "one bit" else 2.125)
    np.testing.assert_array_equal(FastModel(found, 8).forward(TOKENS, 0), expected)


@pytest.mark.parametrize("kind", ["Q1_0", "TQ2_0", "TQ1_0"])
@pytest.mark.parametrize("tied", [True, False])
def test_files(kind, tied, tmp_path):
    shape = replace(SHAPE, tied=tied)
    model = load(write_synthetic(tmp_path / "m.gguf", shape, kind, family="qwen3"))
    assert model.shape == shape and model.messages == []
    for _, matrix in model.matrices():
        assert matrix.stored_exactly
        sizes = np.unique(np.abs(matrix.dequantize()[0, :128]))
        assert len(sizes) == (1 if kind == "Q1_0" else 2)
    expected = GoldenModel(model, 8).forward(TOKENS, 0)
    np.testing.assert_array_equal(FastModel(model, 8).forward(TOKENS, 0), expected)


def test_one_bit_files_keep_their_weights_in_groups_of_128(tmp_path):
    model = load(write_synthetic(tmp_path / "m.gguf", SHAPE, "Q1_0", family="qwen3"))
    compress(model, tmp_path / "m.dojang", Plan(Options(1, 128, "rtn", rotate=False)), np.zeros((1, 16), int))
    found = load(tmp_path / "m.dojang")
    for layer in range(SHAPE.layers):
        for name in SHAPE.matrices():
            ours, theirs = found.layers[layer].matrix(name), model.layers[layer].matrix(name)
            assert ours.form == FORMS["one bit"] and ours.bits_per_weight == 1.125
            np.testing.assert_array_equal(ours.dequantize(), theirs.dequantize())
