"""Containers: what is written is read back bit for bit, and damage is one sentence."""

import json
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
from dojang.checkpoints import Activation, CheckpointError, Form, LayerKind, ModelShape, Norm, QKNorm, Rotation, load
from dojang.checkpoints.container import KEY, Contents, write_container, writing
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint, with_forms, write_synthetic
from dojang_hdl.isa import Code
from safetensors import safe_open
from safetensors.numpy import save_file

KIND = LayerKind(Rotation(base=5000.0, factors=(1.0,) * 15 + (8.0,)))
SHAPE = ModelShape(2, 96, 2, 1, 32, 70, 101, 64, tied=True, kinds=(KIND,))
FORMS = (
    Form(4, signed=True, group=128), Form(1, double=True, zero=-1, group=64), Form(2, zero=-1),
    (Form(3, code=Code.X2, group=64, row_scale=True, rotated=True, double=True, zero=-7), 0.5),
    Form(4, code=Code.X2_5, group=128, row_scale=True, rotated=True, double=True, zero=-15),
    Form(4, code=Code.X3, group=32, double=True, zero=-15), Form(5, code=Code.X4, group=64, double=True, zero=-31),
    Form(1, group=64, double=True, zero=-1, terms=3), Form(8, signed=True),
)


def contents(checkpoint, **changes):
    names = [name for name, size in checkpoint.shape.tensors().items() if len(size) == 2]
    vectors = {name: checkpoint.load_vector(name) for name in checkpoint.vector_names}
    matrices = {name: checkpoint.positions[:] if name == "position_embd.weight" else checkpoint.load_matrix(name)
                for name in names}
    return replace(Contents(checkpoint.name, checkpoint.shape, checkpoint.tokenizer, matrices, vectors,
                            {"position_embd.weight": "F32"}), **changes)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = write_synthetic(tmp_path_factory.mktemp("model") / "m.gguf", replace(SHAPE, ffn=96, tied=True), "Q8_0")
    return with_forms(replace(load(path), shape=SHAPE), FORMS)


@pytest.fixture
def written(model, tmp_path):
    write_container(tmp_path / "m.dojang", contents(model))
    return tmp_path / "m.dojang"


def rewrite(path, change=lambda description, arrays: None):
    """The same file with a changed description or changed arrays."""
    with safe_open(path, "numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}
        description = json.loads(file.metadata()[KEY])
    change(description, arrays)
    save_file(arrays, path, {KEY: json.dumps(description)})


def test_everything_comes_back(model, written):
    found = load(written)
    assert found.shape == model.shape and found.tokenizer == model.tokenizer and found.messages == []
    forms = set()
    for (name, ours), (_, theirs) in zip(found.matrices(), model.matrices(), strict=True):
        forms.add(ours.form)
        assert (ours.rows, ours.cols, ours.form, ours.source) == (theirs.rows, theirs.cols, theirs.form, theirs.source)
        for part in ("codes", "scale", "offset", "mask"):
            a, b = getattr(ours, part), getattr(theirs, part)
            assert (a is None) == (b is None) and (a is None or (a.dtype == b.dtype and np.array_equal(a, b))), name
    assert len(forms) == len(FORMS)
    for ids in (slice(None), [3, 100, 3], 7):
        assert np.array_equal(found.embedding[ids], model.embedding[ids])
    assert np.array_equal(found.vector("output_norm.weight"), model.vector("output_norm.weight"))
    assert np.array_equal(found.layers[1].vector("ffn_norm.weight"), model.layers[1].vector("ffn_norm.weight"))


EVERYTHING = ModelShape(
    3, 64, 4, 2, 64, 96, 70, 24, norm=Norm(2.0 ** -20, centred=True, bias=True), norms=NORMS, key_dim=48, value_dim=36,
    kinds=(LayerKind(Rotation(5000.0, 24, (2.0,) * 12, 1.25, (4.0,) * 12, 16), 8), LayerKind(None)), pattern=(0, 1, 0),
    score_scale=0.25, score_cap=50.0, logit_cap=30.0, qk_norm=QKNorm.VECTOR, biases=("attn_q", "attn_output", "ffn_up"),
    gated=False, activation=Activation.GELU_ERF, learned_positions=True, embedding_scale=8.0, residual_scale=0.5,
    logit_scale=0.125)


@pytest.mark.parametrize("tied", [True, False])
def test_every_rule_comes_back(tmp_path, tied):
    model = random_checkpoint(replace(EVERYTHING, tied=tied))
    assert len(model.shape.stored()) == len(fields(model.shape)) - (not tied)  # nothing is usual
    if tied:  # rows as an input are those of the matrix
        assert np.array_equal(model.embedding[:], model.head.dequantize())
    write_container(tmp_path / "m.dojang", contents(model))
    found = load(tmp_path / "m.dojang")
    assert found.shape == model.shape and list(found.messages) == model.shape.messages()
    assert np.array_equal(found.positions[[5, 0]], model.positions[[5, 0]]) and found.positions.shape == (24, 64)
    assert len(model.vector_names) == 3 * (4 * 2 + 3 + 2) + 2
    for name in model.vector_names:
        assert np.array_equal(found.vector(name), model.vector(name)), name


def test_positions_of_the_half(tmp_path):
    model = random_checkpoint(EVERYTHING)
    parts = contents(model, sources={"position_embd.weight": "F16"})
    held = model.positions[:].astype(np.float16)
    write_container(tmp_path / "m.dojang", replace(parts, matrices={**parts.matrices, "position_embd.weight": held}))
    found = load(tmp_path / "m.dojang")
    assert found.positions[3].dtype == np.float32 and np.array_equal(found.positions[:], held)
    assert not any("position_embd" in message for message in found.messages)


def old(**fields):
    """Makes a description one of version 1."""
    def change(description, arrays):
        kept = ("layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context")
        description["version"] = 1
        description["shape"] = {**{name: description["shape"][name] for name in kept}, "rms_eps": 1e-5,
                                "rope_base": 5000.0, "tied": True, "rope_factors": None, **fields}
    return change


@pytest.mark.parametrize("stored, rotation", [
    ({"rope_factors": [1.0] * 15 + [8.0]}, KIND.rotation),
    ({"rotary_dim": 20, "rope_magnitude": 1.25}, Rotation(5000.0, 20, magnitude=1.25)),
    ({"rope_factors_long": [2.0] * 16, "original_context": 32},
     Rotation(5000.0, factors_long=(2.0,) * 16, original_context=32))])
def test_files_of_version_1(model, written, stored, rotation):
    rewrite(written, old(**stored, rms_eps=2.0 ** -18, score_scale=0.5))
    assert load(written).shape == replace(SHAPE, norm=Norm(2.0 ** -18), score_scale=0.5, kinds=(LayerKind(rotation),))


@pytest.mark.parametrize("stored, message", [
    ({"rotary_dim": 33}, "rotation.dim=33, expected an even number"), ({"rms_eps": "x"}, "truncated or corrupt"),
    ({"norm": {}}, "truncated or corrupt"), ({"rope_factors": [1.0]}, "has 1 rotation.factors, expected 16")])
def test_hostile_descriptions_of_version_1(written, stored, message):
    rewrite(written, old(**stored))
    with pytest.raises(CheckpointError, match=message) as error:
        load(written)
    assert "\n" not in str(error.value)


def test_payload_takes_as_many_bytes_as_the_matrix_says(model, written):
    with safe_open(written, "numpy") as file:
        for name, matrix in model.matrices():
            name = "token_embd.weight" if name == "head" else f"{name}.weight"
            parts = [file.get_tensor(key) for key in file.keys() if key.startswith(f"{name}.")]
            assert sum(part.nbytes for part in parts) == matrix.stored_bytes


def test_floats_stay_floats(tmp_path):
    source = load(write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 64, 70, 32), "BF16"))
    floats = {name: np.random.default_rng(0).standard_normal(source.load_matrix(name).dequantize().shape)
              .astype(np.float32) for name in source.types if not name.endswith("norm.weight")}
    path = tmp_path / "m.dojang"
    write_container(path, contents(source, matrices=floats, sources=dict.fromkeys(floats, "BF16")))
    found = load(path, 4)
    assert "attn_q quantised from BF16 to 4 bits" in found.messages and found.head.bits == 4
    assert np.array_equal(found.embedding[5], floats["token_embd.weight"][5])


def test_scale_sets(model, tmp_path):
    name, gain = "blk.0.attn_q.weight", "output_norm.weight"
    scale, vector = model.load_matrix(name).scale * np.float16(2), model.load_vector(gain) + np.float32(1)
    path = tmp_path / "m.dojang"
    write_container(path, contents(model, scale_sets={"tuned": {f"{name}.scale": scale, gain: vector}}))
    plain = load(path)
    tuned = plain.with_set(plain.find_set("tuned"))
    assert np.array_equal(tuned.layers[0].matrix("attn_q").scale, scale)
    assert np.array_equal(tuned.vector(gain), vector)
    assert np.array_equal(plain.layers[0].matrix("attn_q").scale, model.layers[0].matrix("attn_q").scale)
    assert np.array_equal(tuned.layers[0].matrix("attn_q").codes, plain.layers[0].matrix("attn_q").codes)
    with pytest.raises(CheckpointError, match="has no scale set of that name, only tuned"):
        plain.find_set("other")


def test_a_failed_write_leaves_the_old_file(written, model, monkeypatch):
    before = written.read_bytes()
    monkeypatch.setattr(writing, "save_file", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write_container(written, contents(model))
    assert written.read_bytes() == before and list(written.parent.iterdir()) == [written]


def use(path):
    checkpoint = load(path)
    vectors = [checkpoint.vector(name) for name in checkpoint.vector_names]
    return list(checkpoint.matrices()), checkpoint.embedding[0], vectors, checkpoint.tokenizer


@pytest.mark.parametrize("length", [0, 5, 9, 1000, -1, -5000])
def test_truncated(written, length):
    data = written.read_bytes()
    written.write_bytes(data[:length])
    with pytest.raises(CheckpointError, match=r"m\.dojang is truncated or corrupt"):
        use(written)


def test_a_flipped_bit(written):
    data = bytearray(written.read_bytes())
    data[-100] ^= 4
    written.write_bytes(data)
    with pytest.raises(CheckpointError, match="is damaged, its checksum differs"):
        use(written)


def set_version(description, arrays):
    description["version"] = 3


def drop_tensor(description, arrays):
    del arrays["blk.1.ffn_up.weight.codes"]


def drop_scale(description, arrays):
    del arrays["blk.1.ffn_up.weight.scale"]


def drop_gain(description, arrays):
    del arrays["blk.1.ffn_norm.weight"]


def wrong_size(description, arrays):
    description["tensors"]["blk.0.attn_k.weight"]["rows"] = 31


def wrong_code(description, arrays):
    description["tensors"]["blk.0.attn_k.weight"]["form"]["code"] = "x5"


def wrong_group(description, arrays):
    description["tensors"]["blk.0.attn_k.weight"]["form"]["group"] = 0


def wrong_shape(description, arrays):
    description["shape"]["layers"] = -1


def many_layers(description, arrays):
    description["shape"]["layers"] = 1 << 30


def strange_rule(description, arrays):
    description["shape"]["norm"] = {"eps": 1e-5, "centred": False, "bias": False, "power": 2}


def unknown_norm(description, arrays):
    description["shape"]["norms"] = ["attn_norm", "other_norm"]


def other_activation(description, arrays):
    description["shape"]["activation"] = "tanh"


def no_positions(description, arrays):
    description["shape"]["learned_positions"] = True


def no_bias(description, arrays):
    description["shape"]["biases"] = ["attn_k"]


def short_gain(description, arrays):
    arrays["blk.1.ffn_norm.weight"] = arrays["blk.1.ffn_norm.weight"][:95]
    description["crc32"]["blk.1.ffn_norm.weight"] = zlib.crc32(arrays["blk.1.ffn_norm.weight"].tobytes())


def no_shape(description, arrays):
    del description["shape"]


@pytest.mark.parametrize("change, message", [
    (set_version, "has version 3 of the container, expected 2, or 1"), (drop_tensor, "blk.1.ffn_up.weight is missing"),
    (drop_scale, "blk.1.ffn_up.weight is corrupt"), (drop_gain, "blk.1.ffn_norm.weight is missing"),
    (wrong_size, r"blk.0.attn_k.weight has size \(31, 96\), expected \(32, 96\)"),
    (wrong_code, "blk.0.attn_k.weight has the unknown code 'x5'"), (wrong_group, "blk.0.attn_k.weight is corrupt"),
    (wrong_shape, "layers=-1"), (many_layers, "1073741824 layers but only"),
    (strange_rule, "truncated or corrupt: .*'power'"), (other_activation, "truncated or corrupt: 'tanh' is not"),
    (unknown_norm, "norms="), (no_positions, "position_embd.weight is missing"), (no_bias, "attn_k.bias is missing"),
    (short_gain, "blk.1.ffn_norm.weight is not 96 finite numbers"), (no_shape, "truncated or corrupt: 'shape'")])
def test_damaged_description(written, change, message):
    rewrite(written, change)
    with pytest.raises(CheckpointError, match=message) as error:
        use(written)
    assert "\n" not in str(error.value)


def test_another_safetensors_file(tmp_path):
    save_file({"x": np.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="is a safetensors file that dojang compress has not written"):
        load(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="does not exist"):
        load(tmp_path / "y.dojang")
