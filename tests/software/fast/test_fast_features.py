"""The compiled model against the golden model, bit for bit, on everything that a description can ask for."""

import time
from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Form, LayerKind, ModelShape, Norm, Rotation
from dojang.checkpoints.rules import Activation, QKNorm
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import amplified, random_checkpoint, random_set, with_forms
from dojang.fast import FastModel
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.golden.model import GoldenModel

PLAIN = ModelShape(3, 96, 4, 2, 32, 70, 50, 64)
LAYER_NORM = Norm(1e-5, centred=True, bias=True)
KINDS = {"kinds": (LayerKind(None, 5), LayerKind(Rotation(base=100.0)), LayerKind(Rotation(dim=8), 33)),
         "pattern": (0, 1, 2)}
EVERYTHING = replace(
    PLAIN, norm=LAYER_NORM, norms=NORMS, qk_norm=QKNorm.HEAD, biases=tuple(PLAIN.matrices()), score_scale=0.3,
    score_cap=5.0, logit_cap=3.0, embedding_scale=7.0, residual_scale=0.3, logit_scale=0.6, learned_positions=True,
    activation=Activation.GELU_TANH, **KINDS)
FEATURES = {
    "centred": {"norm": Norm(1e-5, centred=True)},
    "biases of norms": {"norm": Norm(1e-5, bias=True)},
    "centred with biases": {"norm": LAYER_NORM},
    **{f"only {name}": {"norms": (name,)} for name in NORMS},
    "no norms": {"norms": ()},
    "four norms": {"norms": NORMS, "norm": LAYER_NORM},
    "queries and keys, per head": {"qk_norm": QKNorm.HEAD},
    "queries and keys as vectors": {"qk_norm": QKNorm.VECTOR},
    "queries and keys, other norms centred": {"qk_norm": QKNorm.HEAD, "norm": LAYER_NORM},
    **{f"bias of {name}": {"biases": (name,)} for name in PLAIN.matrices()},
    "no rotation": {"kinds": (LayerKind(None),)},
    "kinds": KINDS,
    "window of one": {"kinds": (LayerKind(window=1),)},
    "cap of scores": {"score_cap": 2.0, "score_scale": 0.5},
    "cap of logits": {"logit_cap": 3.0},
    "scales": {"embedding_scale": 7.3, "residual_scale": 0.22, "logit_scale": 0.1},
    "learned positions": {"learned_positions": True},
    "not gated": {"gated": False},
    **{f"{function}, gated: {gated}": {"activation": function, "gated": gated}
       for function in (Activation.GELU_TANH, Activation.GELU_ERF) for gated in (True, False)},
}


def logits_of(checkpoint, count: int = 40) -> np.ndarray:
    return FastModel(checkpoint, count).forward(np.arange(count) % checkpoint.shape.vocab, 0)


@pytest.mark.parametrize("name", FEATURES)
def test_features(name, check):
    checkpoint = random_checkpoint(replace(PLAIN, **FEATURES[name]), sharpness=3)
    check(checkpoint, None, ((40,), (7, 32, 1)))
    assert not np.array_equal(logits_of(checkpoint), logits_of(random_checkpoint(PLAIN, sharpness=3)))


def test_everything(check):
    check(random_checkpoint(EVERYTHING, [Form(8, signed=True), Form(4, group=64, rotated=True)], sharpness=3))


@pytest.mark.parametrize("window", [1, 7, 31, 32, 33, 64, 95, 200])
def test_windows(window, check):
    """Around blocks of positions; as wide as the context and wider too."""
    shape = ModelShape(1, 32, 4, 2, 32, 32, 33, 200, kinds=(LayerKind(window=window),))
    check(random_checkpoint(shape, sharpness=3), None, ((150,), (1, 95, 32, 1, 1, 20)), 160)


def test_large_scores_that_a_window_leaves_out(check):
    """All those of a window can be far below what is not seen, or below zero: they still add to one."""
    shape = ModelShape(2, 32, 4, 2, 32, 32, 33, 64, kinds=(LayerKind(window=2),))
    check(random_checkpoint(shape, sharpness=40))


def test_a_window_costs_what_it_holds():
    """After 1,000 positions."""
    seconds = []
    for window in (0, 33):
        shape = ModelShape(1, 32, 32, 1, 32, 32, 33, 1024, kinds=(LayerKind(window=window),))
        fast, tokens = FastModel(random_checkpoint(shape), 1024), np.zeros(1000, int)
        fast.forward(tokens, 0)
        times = []
        for _ in range(9):
            start = time.process_time()
            fast.forward(tokens[:8], 990)
            times.append(time.process_time() - start)
        seconds.append(min(times))
    assert seconds[0] > 4 * seconds[1]


def test_later_positions_are_forgotten():
    """Also those that a window ends in."""
    tokens, other = np.arange(64) % PLAIN.vocab, np.full(20, 7)
    checkpoint = random_checkpoint(EVERYTHING, sharpness=3)
    golden, fast = GoldenModel(checkpoint, 64), FastModel(checkpoint, 64)
    expected = golden.forward(tokens, 0)
    np.testing.assert_array_equal(fast.forward(tokens, 0), expected)
    for position in (40, 1, 37):
        fast.forward(other, position)
        np.testing.assert_array_equal(fast.forward(tokens[position:], position), expected[position:])


def test_scale_sets_with_biases_and_gains():
    """The cache stays when they change."""
    code = CODES[Code.X3]
    window = Form(code.planes, code=Code.X3, double=True, zero=-code.maximum, row_scale=True)
    forms = [Form(8, signed=True), window, Form(1, double=True, zero=-1, terms=3)]
    checkpoint = with_forms(random_checkpoint(EVERYTHING), forms)
    other = checkpoint.with_set(random_set(checkpoint, "set", 1))
    models = FastModel(checkpoint, 20), GoldenModel(checkpoint, 20)
    for position, variant in ((0, checkpoint), (5, other), (9, checkpoint), (12, other)):
        logits = []
        for one in models:
            one.rescale(variant)
            logits.append(one.forward([position, 1, 2, 3, 4], position))
        np.testing.assert_array_equal(*logits)


@pytest.mark.parametrize("norms", [(), ("post_attention_norm", "post_ffw_norm"), NORMS])
def test_what_clips_is_counted_wherever_norms_are(norms, check):
    shape = replace(EVERYTHING, norms=norms, norm=Norm(), qk_norm=QKNorm.VECTOR, embedding_scale=1e8)
    loud = random_checkpoint(shape)
    loud = amplified(loud, {f"blk.{layer}.{name}.bias": 1e6 for layer in (0, 2) for name in (
        "attn_k", "attn_v", "ffn_gate", "ffn_up")} | {"blk.1.attn_q_norm.weight": 1e6, "output_norm.weight": 1e6})
    check(loud)
    fast, golden = FastModel(loud, 8), GoldenModel(loud, 8)
    for one in (fast, golden):
        one.forward([1, 2, 3], 0)
    assert list(fast.saturated.items()) == list(golden.saturated.items())
    assert {"0.a", "1.q", "0.o", "output_norm"} <= set(fast.saturated)


def test_more_positions_than_were_learned():
    checkpoint = random_checkpoint(replace(PLAIN, learned_positions=True))
    with pytest.raises(ValueError, match="context=65, expected at most 64, the positions the model has learned"):
        FastModel(checkpoint, 65)


@pytest.mark.slow
def test_groups_of_zeros_change_no_bit(change, check):
    """A model that leaves no positions out is the same, but slower."""
    change("attention.h", "first = first / BLOCK * BLOCK;", "first = 0;")
    test_windows(7, check)
    test_windows(95, check)


@pytest.mark.slow
def test_numbers_are_read_from_one_place(change, check):
    change("names.h", "silu, gelu_tanh, gelu_erf", "gelu_tanh, gelu_erf, silu")
    test_everything(check)


MUTATIONS = {
    "mean added": ("norms.h", "-share);", "share);"),
    "bias before the gain": ("norms.h", "mul(mul(at[j], r), gain[j])",
                             "bias.empty() ? mul(mul(at[j], r), gain[j]) : mul(at[j], r) * gain[j] + bias[j] * 0.5f"),
    "queries centred too": ("model.h", "attn_q_norm, q, false)", "attn_q_norm, q, sizes.centred)"),
    "no norm of keys": ("model.h", "normalise(layer, Part::attn_k_norm, k, false);", ""),
    "no norm of results": ("model.h", "normalise(layer, norm, y, sizes.centred);", ""),
    "results scaled before their norm": (
        "model.h", "normalise(layer, norm, y, sizes.centred);\n        scale(y, sizes.residual_scale);",
        "scale(y, sizes.residual_scale);\n        normalise(layer, norm, y, sizes.centred);"),
    "bias of the first token only": ("model.h", "row < y.size(); row += bias.size()", "row < 1; row++"),
    "one rotation for all": ("model.h", "turns[layer.kind]", "turns[1 % windows.size()]"),
    "window of one less": ("model.h", "end - window)", "end - window + 1)"),
    "window of one more": ("model.h", "end - window)", "end - window - 1)"),
    "windows of the first kind": ("model.h", "windows[layer.kind]", "windows[0]"),
    "weights before the window": ("attention.h", "std::fill(w, w + first, 0.0f);", ""),
    "sums counted from the window on": ("attention.h", "reduce_sum(end, [=](long at) { return w[at]; })",
                                        "reduce_sum(end - first, [=](long at) { return w[first + at]; })"),
    "largest of all positions": ("attention.h", "reduce_max(w + first, end - first)", "reduce_max(w, end)"),
    "groups not from 32 on": ("attention.h", "first = first / BLOCK * BLOCK;", "first = first / 16 * 16;"),
    "values of the first groups": ("attention.h", "2 * value_dim, (start + first) / BLOCK}", "2 * value_dim, 0}"),
    "capped scores scaled again": ("attention.h", "cap ? LOG2_E : LOG2_E", "LOG2_E"),
    "scores not capped": ("attention.h", "if (cap)", "if (false)"),
    "embedding not scaled": ("model.h", "scale(x, sizes.embedding_scale);", ""),
    "logits not scaled": ("model.h", "scale(y, sizes.logit_scale);", ""),
    "no positions": ("model.h", "if (positions)", "if (false)"),
    "activation of up": ("model.h", "a = linear(layer, Part::ffn_gate, h, tokens);",
                         "a = up, const_cast<Rows &>(up) = linear(layer, Part::ffn_gate, h, tokens);"),
    "always silu": ("model.h", "sizes.activation == Function::silu", "true"),
    "one gelu": ("model.h", "sizes.activation == Function::gelu_tanh", "true"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, change, check):
    change(*MUTATIONS[name])
    with pytest.raises(AssertionError):
        for feature in FEATURES:
            test_features(feature, check)
        test_everything(check)
        test_windows(95, check)
        test_large_scores_that_a_window_leaves_out(check)
