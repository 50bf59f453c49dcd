"""Validation of hyper-parameters: the message names field, value and expectation."""

import json
import math
from dataclasses import replace

import pytest
from dojang.checkpoints import Activation, CheckpointError, LayerKind, ModelShape, Norm, QKNorm, Rotation

GOOD = ModelShape(layers=2, d=96, heads=4, kv_heads=2, head_dim=64, ffn=160, vocab=131, context=64)
LONG = replace(GOOD, kinds=(LayerKind(Rotation(factors_long=(4.0,) * 32, original_context=48)),))


@pytest.mark.parametrize("field, value, expected", [
    ("layers", 0, "a positive integer"), ("d", -1, "a positive integer"), ("vocab", 1.5, "a positive integer"),
    ("kv_heads", 3, "a divisor of heads=4"), ("head_dim", 48, "a multiple of 32"), ("head_dim", 1024, "up to 512"),
    ("key_dim", 50, "a multiple of 4"), ("key_dim", 32, "36 to head_dim=64"), ("key_dim", 68, "36 to head_dim=64"),
    ("key_dim", -4, "a positive integer"), ("value_dim", 2, "a multiple of 4"), ("value_dim", 516, "up to 512"),
    ("score_scale", float("nan"), "a number from"), ("residual_scale", 0.0, "a number from 1e-09 to 1e+09"),
    ("embedding_scale", float("inf"), "a number from"), ("logit_scale", -1.0, "a number from"),
    ("score_cap", -1.0, "0 for none, or a number from 0.001"), ("logit_cap", float("nan"), "0 for none"),
    ("norms", ("ffn_norm", "attn_norm"), "in this order"), ("norms", ("q_norm",), "some of attn_norm"),
    ("biases", ("attn_k", "attn_q"), "in this order"), ("biases", ("head",), "some of attn_q"),
    ("tied", "yes", "true or false"), ("gated", 1, "true or false"), ("kinds", (), "one kind of layer at least"),
    ("pattern", (0,), "the kind of each of 2 layers"),
    ("pattern", (0, 1), "indexes below 1"), ("pattern", (0, -1), "indexes below 1"),
])
def test_bad_value_is_named(field, value, expected):
    with pytest.raises(CheckpointError) as error:
        replace(GOOD, **{field: value})
    assert str(error.value).startswith(f"model has {field}=") and expected in str(error.value)


@pytest.mark.parametrize("field, value, expected", [
    ("dim", 31, "an even number"), ("dim", 66, "at most key_dim=64"), ("base", 0.0, "a number from 1e-09"),
    ("base", float("inf"), "to 1e+38"), ("magnitude", -1.0, "a number from 1e-09 to 1e+09"),
    ("magnitude", 0.0, "a number from"), ("original_context", -1, "at least 0"),
])
def test_bad_value_of_a_rotation_is_named(field, value, expected):
    with pytest.raises(CheckpointError) as error:
        replace(GOOD, kinds=(LayerKind(None), LayerKind(Rotation(**{field: value}))), pattern=(0, 1))
    assert str(error.value).startswith(f"model has rotation.{field}=") and expected in str(error.value)


def test_bad_norm_and_window_are_named():
    with pytest.raises(CheckpointError, match=r"model has norm.eps=nan, expected a number of at least 0"):
        Norm(float("nan"))
    with pytest.raises(CheckpointError, match=r"model has window=-1, expected an integer from 0 to"):
        LayerKind(window=-1)


@pytest.mark.parametrize("field", ["factors", "factors_long"])
@pytest.mark.parametrize("factors, message", [
    ((1.0,), r"^model has 1 rotation.FIELD, expected 32$"),
    ((1.0,) * 31 + (0.0,), r"^model has 0.0 among its rotation.FIELD, expected numbers from 1e-09 to 1e\+38$"),
    ((float("nan"),) * 32, "^model has nan among its rotation.FIELD"),
    ((-1.0,) * 32, "^model has -1.0 among its rotation.FIELD"),
])
def test_bad_factors_are_named_one_at_a_time(field, factors, message):
    with pytest.raises(CheckpointError, match=message.replace("FIELD", field)):
        replace(GOOD, kinds=(LayerKind(Rotation(original_context=1, **{field: factors})),))


def test_the_bounds_that_messages_name_are_taken():
    for value in (1e-9, 1e9):
        assert replace(GOOD, residual_scale=value).residual_scale == value
        rotation = replace(GOOD, kinds=(LayerKind(Rotation(magnitude=value)),)).kinds[0].rotation
        assert rotation is not None and rotation.magnitude == value


def test_derived_values():
    assert GOOD.group == 2
    assert (GOOD.key_dim, GOOD.value_dim, GOOD.kinds[0].rotation.dim, GOOD.score_scale) == (64, 64, 64, 0.125)
    # per layer and KV head: two INT8 codes and FP16 scales for K, two INT8 codes and one FP32 scale for V
    assert GOOD.kv_bytes_per_token == 2 * 2 * ((2 * 64 + 2 * 2 * 2) + (2 * 64 + 4))
    assert GOOD.matrices()["attn_output"] == (96, 256)


def test_sizes_of_a_head_that_differ():
    shape = ModelShape(2, 96, 4, 2, 64, 160, 131, 64, key_dim=48, value_dim=36, kinds=(LayerKind(Rotation(dim=40)),))
    assert {name: size for name, size in shape.matrices().items() if name.startswith("attn")} == {
        "attn_q": (192, 96), "attn_k": (96, 96), "attn_v": (72, 96), "attn_output": (96, 144)}
    assert shape.score_scale == 1 / math.sqrt(48)
    assert shape.kv_bytes_per_token == 2 * 2 * ((2 * 64 + 2 * 2 * 2) + (2 * 36 + 4))
    assert ModelShape(2, 96, 4, 2, 64, 160, 131, 64, key_dim=48).value_dim == 48


def test_factors_follow_the_reserved_context():
    assert GOOD.at(1) == GOOD and not GOOD.messages()
    assert LONG.at(48) == GOOD and LONG.at(49) == replace(GOOD, kinds=(LayerKind(Rotation(factors=(4.0,) * 32)),))
    assert LONG.messages() == ["rotary factors for long texts are used where more than 48 positions are reserved, "
                               "those for short ones elsewhere"]
    with pytest.raises(CheckpointError, match=r"model has rotation.original_context=0, expected a positive integer"):
        replace(LONG, kinds=(LayerKind(replace(LONG.kinds[0].rotation, original_context=0)),))


def test_a_window_that_never_cuts_is_none():
    shape = replace(GOOD, kinds=(LayerKind(window=16), LayerKind(None)), pattern=(1, 0))
    assert [shape.kind(layer).window for layer in range(2)] == [0, 16]
    assert shape.at(17) == shape and shape.at(16).kind(1) == GOOD.kind(0) and shape.at(16).kind(0).rotation is None


UNUSUAL = replace(
    LONG, norm=Norm(1e-6, True, True), norms=("post_attention_norm", "post_ffw_norm"), qk_norm=QKNorm.VECTOR,
    kinds=(*LONG.kinds, LayerKind(None, 8)), pattern=(1, 0), biases=("attn_q", "ffn_down"), gated=False,
    activation=Activation.GELU_ERF, learned_positions=True, embedding_scale=8.0, residual_scale=0.5, logit_scale=2.0,
    logit_cap=30.0, score_cap=50.0, tied=True)


@pytest.mark.parametrize("shape", [GOOD, LONG, UNUSUAL, replace(
    GOOD, key_dim=48, value_dim=80, score_scale=0.5, kinds=(LayerKind(Rotation(dim=20, magnitude=1.25)),))])
def test_what_is_stored_makes_it_again(shape):
    assert ModelShape.restored(json.loads(json.dumps(shape.stored()))) == shape


def test_what_is_usual_is_not_stored():
    assert set(GOOD.stored()) == {"layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context"}
    assert repr(GOOD) == ("ModelShape(layers=2, d=96, heads=4, kv_heads=2, head_dim=64, ffn=160, vocab=131, "
                          "context=64)")


def test_tensors_of_a_model():
    assert list(GOOD.vectors()) == ["attn_norm.weight", "ffn_norm.weight"]
    assert list(UNUSUAL.matrices()) == ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"]
    assert UNUSUAL.vectors() == {
        "attn_q.bias": 256, "attn_q_norm.weight": 256, "attn_k_norm.weight": 128, "post_attention_norm.weight": 96,
        "post_attention_norm.bias": 96, "ffn_down.bias": 96, "post_ffw_norm.weight": 96, "post_ffw_norm.bias": 96}
    sizes = UNUSUAL.tensors()
    assert sizes["position_embd.weight"] == (64, 96) and sizes["output_norm.bias"] == (96,)
    assert "output.weight" not in sizes and GOOD.tensors()["output.weight"] == (131, 96)
    assert len(sizes) == 4 + 2 * (6 + 8)
    assert replace(UNUSUAL, qk_norm=QKNorm.HEAD).vectors()["attn_k_norm.weight"] == 64
