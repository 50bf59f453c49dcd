"""Scale sets: files, what they replace, and every reason not to take one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import (
    CheckpointError,
    Form,
    ModelShape,
    Norm,
    QKNorm,
    ScaleSet,
    load,
    load_scale_set,
    write_scale_set,
)
from dojang.checkpoints.scale_set import KEY
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint, random_set, with_forms, write_synthetic
from dojang_hdl.isa import Code
from safetensors.numpy import save_file

SHAPE = ModelShape(layers=2, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=40, context=24, tied=True)
SCALE, GAIN = "blk.1.ffn_down.weight", "blk.0.attn_norm.weight"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "small.gguf", SHAPE, "Q8_0"))


def test_a_set_replaces_what_it_names_and_nothing_else(checkpoint):
    scale, gain = checkpoint.tensor(SCALE).scale * np.float16(2), checkpoint.tensor(GAIN) + 1
    other = checkpoint.with_set(ScaleSet("tuned", {SCALE: scale, GAIN: gain}))
    assert other.matrix(SCALE).codes is checkpoint.matrix(SCALE).codes
    np.testing.assert_array_equal(other.matrix(SCALE).dequantize(), 2 * checkpoint.matrix(SCALE).dequantize())
    np.testing.assert_array_equal(other.vector(GAIN), gain)
    unnamed = "blk.0.ffn_down.weight"
    assert other.matrix(unnamed) is checkpoint.matrix(unnamed) and other.head is checkpoint.head
    for name in checkpoint.vector_names - {GAIN}:
        np.testing.assert_array_equal(other.vector(name), checkpoint.vector(name))
    np.testing.assert_array_equal(other.floats(SCALE), other.matrix(SCALE).dequantize())
    assert (other.codes_sha256, other.name) == (checkpoint.codes_sha256, "small.gguf")


def test_the_embedding_keeps_its_scales_if_the_tied_head_gets_others(checkpoint):
    """Programs must not take the embedding's rows for the head's."""
    head = "token_embd.weight"
    other = checkpoint.with_set(ScaleSet("tuned", {head: checkpoint.head.scale * np.float16(2)}))
    np.testing.assert_array_equal(other.head.dequantize(), 2 * checkpoint.head.dequantize())
    np.testing.assert_array_equal(other.embedding[:], checkpoint.head.dequantize())
    assert checkpoint.head.stored_exactly and not other.head.stored_exactly


def test_matrices_stored_as_floats_are_those_of_the_set(tmp_path):
    plain = load(write_synthetic(tmp_path / "floats.gguf", SHAPE, "F16"))
    other = plain.with_set(random_set(plain, "tuned", 1))
    np.testing.assert_array_equal(other.floats(SCALE), other.layers[1].matrix("ffn_down").dequantize())


def test_every_matrix_and_gain_can_be_named(checkpoint):
    names = {name for name in checkpoint.types if name.endswith("weight")}
    assert set(random_set(checkpoint, "all", 1).values) == names
    assert all(checkpoint.tensor(name) is not None for name in names)
    for name in ("blk.2.attn_q.weight", "blk.01.attn_q.weight", "blk.0.attn_x.weight", "output.weight", "blk.0.attn_q"):
        assert checkpoint.tensor(name) is None, name


def test_biases_and_gains_of_every_kind_can_be_named():
    shape = replace(SHAPE, norm=Norm(centred=True, bias=True), norms=NORMS, qk_norm=QKNorm.HEAD,
                    biases=("attn_q", "ffn_down"), learned_positions=True)
    plain = random_checkpoint(shape)
    tuned = random_set(plain, "all", 1)
    assert set(tuned.values) == set(shape.tensors()) - {"position_embd.weight"}
    found = plain.with_set(tuned)
    for name in ("blk.1.attn_q.bias", "blk.0.attn_k_norm.weight", "blk.1.post_ffw_norm.bias", "output_norm.bias"):
        assert (found.vector(name) != plain.vector(name)).all() and (found.vector(name) == tuned.values[name]).all()
    assert plain.tensor("position_embd.weight") is None and plain.tensor("blk.0.attn_k.bias") is None


def test_codes_have_a_sum_that_their_scales_have_not(checkpoint, tmp_path):
    again = load(write_synthetic(tmp_path / "again.gguf", SHAPE, "Q8_0"))
    another = load(write_synthetic(tmp_path / "another.gguf", SHAPE, "Q8_0", seed=1))
    assert again.codes_sha256 == checkpoint.codes_sha256 != another.codes_sha256
    coded = with_forms(checkpoint, [Form(3, code=Code.X2, double=True, zero=-7, row_scale=True)], seed=1)

    def masked(name):
        matrix = coded.load_matrix(name)
        mask = np.ones((matrix.rows, matrix.width // 32, 32), bool) if "attn_q" in name else None
        return replace(matrix, mask=mask)

    assert replace(coded, load_matrix=masked).codes_sha256 != coded.codes_sha256 != checkpoint.codes_sha256


def test_a_file_gives_the_set_back(checkpoint, tmp_path):
    written = random_set(checkpoint, "für Söldner", 3)
    write_scale_set(tmp_path / "a.set", written)
    write_scale_set(tmp_path / "a.set", written)
    assert [path.name for path in tmp_path.iterdir()] == ["a.set"]
    found = load_scale_set(tmp_path / "a.set")
    assert (found.name, found.codes_sha256) == ("für Söldner", checkpoint.codes_sha256)
    assert found.values.keys() == written.values.keys()
    for name, values in found.values.items():
        assert values.dtype == written.values[name].dtype
        np.testing.assert_array_equal(values, written.values[name])
    assert checkpoint.with_set(found).codes_sha256 == checkpoint.codes_sha256


def test_files_that_are_no_sets(checkpoint, tmp_path):
    def refused(match):
        with pytest.raises(CheckpointError, match=match) as info:
            load_scale_set(path)
        assert "\n" not in str(info.value)

    path = tmp_path / "x.set"
    refused(r"scale set .*x.set does not exist")
    write_scale_set(path, random_set(checkpoint, "x", 1))
    whole = path.read_bytes()
    for size in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(r"x.set is truncated, corrupt or no safetensors file")
    save_file({"a": np.zeros(3, np.float32)}, path, {"format": "np"})
    refused("is a safetensors file, but not of a scale set")
    save_file({"a": np.zeros(3, np.float32)}, path, {KEY: "{"})
    refused("truncated, corrupt")
    save_file({"a": np.zeros(3, np.float32)}, path, {KEY: json.dumps({"version": 2})})
    refused("has version 2, expected 1")
    with pytest.raises(CheckpointError, match="cannot be written"):
        write_scale_set(tmp_path / "missing" / "x.set", random_set(checkpoint, "x", 1))


def test_sets_are_found_by_their_name_in_the_model_or_their_file(checkpoint, tmp_path):
    inside, outside = random_set(checkpoint, "inside", 1), random_set(checkpoint, "outside", 2)
    model = replace(checkpoint, scale_sets={"inside": lambda: inside})
    write_scale_set(tmp_path / "a.set", outside)
    assert model.find_set("inside") is inside and model.find_set(str(tmp_path / "a.set")).name == "outside"
    with pytest.raises(CheckpointError, match=r"no file outside, and small\.gguf has no scale set of that name, "
                                              "only inside"):
        model.find_set("outside")


@pytest.mark.parametrize("values, match", [
    ({"blk.7.attn_q.weight": np.ones((1, 1), np.float16)},
     r"^scale set 'x' is not of small.gguf: it has blk.7.attn_q.weight, which is neither matrix nor vector of that "
     r"model$"),
    ({SCALE: np.ones((64, 4), np.float16)}, r"its blk.1.ffn_down.weight has size \(64, 4\) and type float16, expected "
                                            r"\(64, 3\) and float16$"),
    ({SCALE: np.ones((64, 3), np.float32)}, r"has size \(64, 3\) and type float32, expected \(64, 3\) and float16$"),
    ({GAIN: np.ones(65, np.float32)}, r"blk.0.attn_norm.weight has size \(65,\) and type float32, expected \(64,\)"),
    ({GAIN: np.full(64, np.nan, np.float32)}, r"^scale set 'x': blk.0.attn_norm.weight holds NaN or infinite values$"),
    ({SCALE: np.full((64, 3), np.inf, np.float16)}, r"blk.1.ffn_down.weight holds NaN or infinite values$"),
])
def test_sets_of_another_model(checkpoint, values, match):
    with pytest.raises(CheckpointError, match=match):
        checkpoint.with_set(ScaleSet("x", values))


def test_sets_of_other_codes_of_the_same_sizes(checkpoint):
    with pytest.raises(CheckpointError, match=r"^scale set 'x' is not of small.gguf: it was made for codes of SHA-256 "
                       r"0123456789ab…, the model's are [0-9a-f]{12}…$"):
        checkpoint.with_set(ScaleSet("x", {}, "0123456789abcdef"))
