"""Signs of inputs: where they are, and that no description's function changes by them."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import ModelShape, Norm, load
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.compress.compress import compress
from dojang.compress.flips import Flips
from dojang.compress.forward import Forward
from dojang.compress.plan import Options, Plan, Rule

SHAPE = ModelShape(1, 96, 4, 2, 32, 160, 130, 40)


FLIPPED = {
    "plain": {"attn_norm.weight", "ffn_norm.weight"},
    "biases, gates of GELU": {"attn_norm.weight", "ffn_norm.weight", "attn_v.bias", "ffn_up.bias"},
    "centred, learned positions": {"attn_norm.weight", "attn_norm.bias", "ffn_norm.weight", "ffn_norm.bias",
                                   "attn_v.bias"},
    "four norms, caps, windows": {"attn_norm.weight", "ffn_norm.weight"},
    "norms behind only": set(),
    "multipliers, partial rotation": {"attn_norm.weight", "ffn_norm.weight", "attn_v.bias"},
    "long factors, a bias behind norms": {"attn_norm.weight", "attn_norm.bias", "ffn_norm.weight", "ffn_norm.bias"},
}


def logits(model, windows):
    forward, head = Forward(model, windows).layers(), model.floats(model.shape.head_name)
    return np.stack([forward.logits(window, head) for window in range(len(windows))])


def test_the_function_stays(described_as, description, tmp_path):
    model = random_checkpoint(description)
    windows = np.random.default_rng(1).integers(0, model.shape.vocab, (4, 24))
    compress(model, tmp_path / "m.dojang", Plan(Options(8, method="rtn")), windows)
    found = load(tmp_path / "m.dojang")
    assert found.shape == model.shape
    expected, close = logits(model, windows), logits(found, windows)
    assert 0 < np.square(close - expected).mean() < 1e-3 * expected.var()
    flipped = {each for each in model.vector_names if (found.vector(each) != model.vector(each)).any()}
    assert all(np.array_equal(np.abs(found.vector(each)), np.abs(model.vector(each))) for each in model.vector_names)
    assert {each.split(".", 2)[2] for each in flipped} == FLIPPED[described_as]


def kinds(flips):
    return {kind for kind, signs in flips.inputs.items() if (signs < 0).any()}


@pytest.mark.parametrize("rules, expected", [
    ({}, {"attn_in", "o_in", "ffn_in", "down_in"}), ({"gated": False}, {"attn_in", "o_in", "ffn_in"}),
    ({"norms": ("attn_norm", "post_ffw_norm")}, {"attn_in", "o_in", "down_in"}), ({"norms": ()}, {"o_in", "down_in"})])
def test_inputs_that_have_signs(rules, expected):
    model = replace(SHAPE, **rules)
    flips = Flips.of(model, 1, dict.fromkeys(model.matrices(), Options()), 0)
    assert kinds(flips) == expected
    assert {kind: len(signs) for kind, signs in flips.inputs.items()} == {
        "attn_in": 96, "o_in": 128, "ffn_in": 96, "down_in": 160}
    assert set(flips.rows) == {maker for kind, maker in (("o_in", "attn_v"), ("down_in", "ffn_up")) if kind in expected}


@pytest.mark.parametrize("kept, expected", [
    ("attn_k", {"o_in", "ffn_in", "down_in"}), ("attn_v", {"ffn_in", "down_in"}), ("ffn_up", {"attn_in", "o_in"}),
    ("ffn_gate", {"attn_in", "o_in", "down_in"}), ("ffn_down", {"attn_in", "o_in", "ffn_in"})])
def test_what_is_kept_has_none(kept, expected):
    options = dict.fromkeys(SHAPE.matrices(), Options())
    assert kinds(Flips.of(SHAPE, 0, options | {kept: Options(keep=True)}, 0)) == expected
    assert kinds(Flips.of(SHAPE, 0, dict.fromkeys(options, Options(rotate=False)), 0)) == set()


def test_query_heads_of_a_kv_head_share_signs():
    model = replace(SHAPE, value_dim=36)
    flips = Flips.of(model, 0, dict.fromkeys(model.matrices(), Options()), 3)
    read, made = flips.inputs["o_in"].reshape(4, 36), flips.rows["attn_v"].reshape(2, 36)
    assert np.array_equal(read, made[[0, 0, 1, 1]]) and (made[0] != made[1]).any()


def test_positions_go_through_a_compression_as_they_are(tmp_path):
    model = random_checkpoint(replace(SHAPE, norm=Norm(centred=True), learned_positions=True))
    windows = np.arange(64).reshape(2, 32)
    compress(model, tmp_path / "m.dojang", Plan(Options(8), (Rule("position*", {"bits": 2}),)), windows)
    assert np.array_equal(load(tmp_path / "m.dojang").positions[:], model.positions[:])
