"""Validation of hyper-parameters: the message names field, value and expectation."""

import math
from dataclasses import replace

import pytest
from dojang.checkpoints import CheckpointError, LayerKind, ModelShape, Norm, Rotation

GOOD = ModelShape(layers=2, d=96, heads=4, kv_heads=2, head_dim=64, ffn=160, vocab=131, context=64)
LONG = replace(GOOD, kinds=(LayerKind(Rotation(factors_long=(4.0,) * 32, original_context=48)),))


@pytest.mark.parametrize("field, value, expected", [
    ("layers", 0, "a positive integer"), ("d", -1, "a positive integer"), ("vocab", 1.5, "a positive integer"),
    ("kv_heads", 3, "a divisor of heads=4"), ("head_dim", 48, "a multiple of 32"), ("head_dim", 1024, "up to 512"),
    ("key_dim", 50, "a multiple of 4"), ("key_dim", 32, "36 to head_dim=64"), ("key_dim", 68, "36 to head_dim=64"),
    ("key_dim", -4, "a positive integer"), ("value_dim", 2, "a multiple of 4"), ("value_dim", 516, "up to 512"),
    ("rotary_dim", 31, "an even number"), ("rotary_dim", 66, "at most key_dim=64"),
    ("rms_eps", float("nan"), "at least 0"), ("rope_base", 0.0, "a number from 1e-09"),
    ("rope_base", float("inf"), "to 1e+38"), ("rope_magnitude", -1.0, "a number from 1e-09 to 1e+09"),
    ("rope_magnitude", 0.0, "a number from"), ("score_scale", float("nan"), "a number from"),
    ("original_context", -1, "at least 0"),
])
def test_bad_value_is_named(field, value, expected):
    with pytest.raises(CheckpointError) as error:
        replace(GOOD, **{field: value})
    assert str(error.value).startswith(f"model has {field}=") and expected in str(error.value)


@pytest.mark.parametrize("field", ["rope_factors", "rope_factors_long"])
@pytest.mark.parametrize("factors, message", [
    ((1.0,), r"^model has 1 FIELD, expected 32$"),
    ((1.0,) * 31 + (0.0,), r"^model has 0.0 among its FIELD, expected numbers from 1e-09 to 1e\+38$"),
    ((float("nan"),) * 32, "^model has nan among its FIELD"), ((-1.0,) * 32, "^model has -1.0 among its FIELD"),
])
def test_bad_factors_are_named_one_at_a_time(field, factors, message):
    with pytest.raises(CheckpointError, match=message.replace("FIELD", field)):
        replace(GOOD, **{field: factors}, kinds=(LayerKind(Rotation(original_context=1)),))


def test_derived_values():
    assert GOOD.group == 2
    assert (GOOD.key_dim, GOOD.value_dim, GOOD.rotary_dim, GOOD.score_scale) == (64, 64, 64, 0.125)
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
    assert GOOD.at(1) is GOOD and not GOOD.messages()
    assert LONG.at(48) == GOOD and LONG.at(49) == replace(GOOD, kinds=(LayerKind(Rotation(factors=(4.0,) * 32)),))
    assert LONG.messages() == ["rotary factors for long texts are used where more than 48 positions are reserved, "
                               "those for short ones elsewhere"]
    with pytest.raises(CheckpointError, match="model has original_context=0, expected a positive integer"):
        replace(LONG, kinds=(LayerKind(Rotation(original_context=0)),))


@pytest.mark.parametrize("shape", [GOOD, LONG, replace(GOOD, key_dim=48, value_dim=80, score_scale=0.5, kinds=(LayerKind(Rotation(dim=20, magnitude=1.25)),))])
def test_what_is_stored_makes_it_again(shape):
    assert ModelShape(**shape.stored()) == shape
    assert eval(repr(shape), {"ModelShape": ModelShape}) == shape


def test_a_usual_shape_is_known_by_the_same_text_as_ever():
    """Compressed models hold its SHA-256."""
    assert repr(GOOD) == (
        "ModelShape(layers=2, d=96, heads=4, kv_heads=2, head_dim=64, ffn=160, vocab=131, context=64, "
        "rope_base=10000.0, tied=False, norm=Norm(1e-05), kinds=(LayerKind(Rotation(factors=None)),))")
