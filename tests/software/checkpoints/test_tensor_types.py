"""Models of every tensor type: what is told of them, and what stays exact."""

from dataclasses import replace
from itertools import pairwise

import gguf
import numpy as np
import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.blocks.writing import WRITABLE
from dojang.checkpoints.importing import from_blocks
from dojang.checkpoints.synthetic import write_synthetic
from dojang.checkpoints.tensor_types import BLOCK_TYPES, FLOAT_TYPES, is_exact
from dojang.compress.source import source_sha256
from dojang.sessions import open_session
from dojang_hdl.config import preset

SHAPE = ModelShape(layers=1, d=256, heads=8, kv_heads=8, head_dim=32, ffn=512, vocab=300, context=64)
TURNS = tuple(WRITABLE[at:at + 7] for at in range(0, len(WRITABLE), 7))


def stored(path):
    def values(tensor):
        if tensor.tensor_type.name == "Q1_0":  # which the package does not decode; against llama.cpp in test_blocks
            return from_blocks("", np.array(tensor.data), "Q1_0").dequantize()
        return gguf.dequantize(tensor.data, tensor.tensor_type)

    return {tensor.name: values(tensor) for tensor in gguf.GGUFReader(path).tensors}


@pytest.mark.parametrize("kinds", TURNS, ids=lambda kinds: kinds[0])
def test_floats_are_those_of_the_file(tmp_path, kinds):
    """What `compress` starts from."""
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, kinds, embedding_type=kinds[0], head_type=kinds[-1])
    checkpoint, expected = load(path), stored(path)
    used = {checkpoint.types[name] for name in expected} - {"F32"}
    assert used == set(kinds) - {"F32"}
    for name, values in expected.items():
        if not name.endswith("norm.weight"):
            np.testing.assert_array_equal(checkpoint.floats(name), values)
    for _, matrix in checkpoint.matrices():
        assert matrix.stored_exactly == is_exact(matrix.source) == (
            matrix.source not in FLOAT_TYPES and np.array_equal(matrix.dequantize(), expected[matrix.name]))


@pytest.mark.parametrize("kind", WRITABLE)
def test_embedding_rows_are_exact(tmp_path, kind):
    shape = ModelShape(1, 256, 1, 1, 32, 32, 5, 64)
    path = write_synthetic(tmp_path / "m.gguf", shape, "F16", embedding_type=kind)
    rows = load(path).embedding[:]
    assert rows.dtype == np.float32 and rows.any()
    np.testing.assert_array_equal(rows.view(np.uint32), stored(path)["token_embd.weight"].view(np.uint32))


def test_conversions_are_told_in_one_line_each(tmp_path):
    kinds = ["Q4_K", "Q5_0", "Q6_K", "IQ4_XS", "F16", "Q3_K", "Q2_K"]
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, kinds, embedding_type="Q5_K", head_type="Q6_K")
    assert load(path, 4).messages == [
        "ffn_gate quantised from F16 to 4 bits",
        "attn_q converted from Q4_K to 4 bits, groups of 32, with an offset, products of scales rounded to FP16",
        "attn_v, head converted from Q6_K to 8 bits, groups of 32",
        "attn_output converted from IQ4_XS to 8 bits, groups of 32, products of scales rounded to FP16",
        "ffn_down converted from Q2_K to 8 bits, groups of 32, with an offset"]
    assert load(write_synthetic(tmp_path / "n.gguf", SHAPE, ["Q5_1", "IQ4_NL", "MXFP4"])).messages == []


def test_forms_are_those_of_the_table(tmp_path):
    for kinds in TURNS:
        checkpoint = load(write_synthetic(tmp_path / "m.gguf", SHAPE, kinds), weights_bits=3)
        for _, matrix in checkpoint.matrices():
            kind = BLOCK_TYPES.get(matrix.source)
            if kind is None:
                assert matrix.bits_per_weight == 3.5
            else:
                assert (matrix.form, matrix.offset is not None) == (kind.form, kind.offset)
                assert matrix.bits_per_weight == kind.bits_per_weight


def test_every_chip_has_these_forms():
    """Also one without window codes."""
    for kind in BLOCK_TYPES.values():
        form = kind.form
        assert form.group == 32 and form.terms == 1 and not (form.window or form.rotated or form.row_scale)
        assert not (kind.offset and form.signed)


def test_weights_that_vanish_are_told_when_a_session_is_open(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, "F32")
    weights = next(tensor for tensor in gguf.GGUFReader(path, "r+").tensors if tensor.name == "output.weight").data
    weights[:3] *= 1e-8
    checkpoint = load(path)
    before = list(checkpoint.messages)
    with open_session(checkpoint, preset("sim-1x1"), "golden", context=8):
        assert checkpoint.messages == [*before, "output.weight: weights are too small for FP16 scales: of 2,400 groups "
                                                "24 vanish (all zero)"]
        checkpoint.load_matrix("output.weight")
        assert len(checkpoint.messages) == len(before) + 1


def test_blocks_that_vanish_are_told(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", SHAPE, "MXFP4")
    blocks = next(tensor for tensor in gguf.GGUFReader(path, "r+").tensors if tensor.name == "blk.0.attn_k.weight").data
    blocks[7, ::17] = 90
    checkpoint = load(path)
    assert list(checkpoint.matrices()) and checkpoint.messages == [
        "blk.0.attn_k.weight: weights are too small for FP16 scales: of 2,048 groups 8 vanish (all zero)"]


def test_a_model_is_known_by_the_weights_of_its_file(tmp_path):
    """Not by what import makes of them."""
    paths = [write_synthetic(tmp_path / f"{seed}.gguf", SHAPE, "Q6_K", seed=seed) for seed in (1, 1, 2)]
    same, again, other = (source_sha256(replace(load(path), load_matrix=pytest.fail)) for path in paths)
    assert same == again != other


def test_types_of_the_turns_cover_all():
    assert all(not set(one) & set(two) for one, two in pairwise(TURNS)) and sum(map(len, TURNS)) == len(WRITABLE)
