"""Everything a description may ask for: the golden model against a float64 pass, and against itself in pieces."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Norm, QKNorm, Rotation
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint
from dojang_sim.golden.model import GoldenModel

from .reference_model import ACTIVATIONS, alterations, float_tensors, reference_logits

LENGTH, CONTEXT = 40, 80

MEAN_ERROR = 0.002
"""Of logits whose standard deviation is 1."""

LAYER = Norm(1e-5, centred=True, bias=True)
FACTORS = tuple(1 + i / 2 for i in range(16))
SHAPE = ModelShape(2, 64, 4, 2, 32, 96, 70, CONTEXT)
ALL = tuple(SHAPE.matrices())


def two_kinds(first, second):
    return {"kinds": (LayerKind(*first), LayerKind(*second)), "pattern": (0, 1)}


SHAPES = {
    "nothing but what is usual": SHAPE,
    "biases of q, k, v": replace(SHAPE, biases=ALL[:3], tied=True),
    "biases of all": replace(SHAPE, biases=ALL),
    "layer norms, learned positions, plain feed-forward": replace(
        SHAPE, norm=LAYER, learned_positions=True, gated=False, activation=Activation.GELU_TANH, kv_heads=4,
        kinds=(LayerKind(None),), biases=("attn_q", "attn_v", "attn_output", "ffn_up", "ffn_down"), tied=True),
    "layer norms without biases, part of a head rotated": replace(
        SHAPE, norm=Norm(0.25, centred=True), kinds=(LayerKind(Rotation(dim=8)),), biases=ALL[:3]),
    "norms of heads, two rotations, a window": replace(
        SHAPE, qk_norm=QKNorm.HEAD, activation=Activation.GELU_TANH, norms=NORMS, embedding_scale=8.0,
        **two_kinds((Rotation(), 6), (Rotation(50.0, factors=FACTORS), 0))),
    "norms of all heads together, of results only": replace(
        SHAPE, qk_norm=QKNorm.VECTOR, norms=("post_attention_norm", "post_ffw_norm")),
    "caps, windows": replace(
        SHAPE, norms=NORMS, activation=Activation.GELU_TANH, score_cap=2.0, logit_cap=1.0, score_scale=0.25,
        embedding_scale=8.0, **two_kinds((Rotation(), 6), (Rotation(), 0))),
    "cap where nothing is rotated, window": replace(
        SHAPE, score_cap=1.5, biases=("attn_q",), **two_kinds((None, 9), (Rotation(), 5))),
    "factors of everything": replace(
        SHAPE, score_scale=0.25, embedding_scale=0.25, residual_scale=0.3, logit_scale=0.125),
    "norms of results, factor of what is added": replace(
        SHAPE, norms=NORMS, norm=Norm(0.5, bias=True), residual_scale=0.4, embedding_scale=0.5),
    "layers without rotation": replace(SHAPE, layers=3, kinds=(LayerKind(), LayerKind(None)), pattern=(0, 1, 0)),
    "rotation with factors and a magnitude": replace(
        SHAPE, kinds=(LayerKind(Rotation(500.0, 32, FACTORS, 1.25)),), qk_norm=QKNorm.HEAD),
    "plain feed-forward with biases, exact gelu": replace(
        SHAPE, gated=False, activation=Activation.GELU_ERF, biases=("attn_k", "attn_output", "ffn_up", "ffn_down")),
    "gated by exact gelu, heads of other sizes, a window": replace(
        SHAPE, activation=Activation.GELU_ERF, heads=6, kv_heads=3, head_dim=64, key_dim=48, value_dim=16,
        qk_norm=QKNorm.VECTOR, norms=("attn_norm", "post_ffw_norm"), kinds=(LayerKind(Rotation(dim=24), 7),)),
    "no norms in layers": replace(SHAPE, norms=(), residual_scale=0.5, qk_norm=QKNorm.HEAD, norm=Norm(0.1)),
}


def model_of(name):
    return random_checkpoint(SHAPES[name], seed=3, sharpness=2.0)


def tokens(count=LENGTH):
    return np.random.default_rng(4).integers(0, SHAPE.vocab, count)


@pytest.mark.parametrize("name", SHAPES)
def test_golden_against_float64(name):
    checkpoint, ids = model_of(name), tokens()
    tensors = float_tensors(checkpoint)
    found, expected = GoldenModel(checkpoint, CONTEXT).forward(ids, 0), reference_logits(checkpoint.shape, tensors, ids)
    error = np.abs(found - expected).mean()
    assert error < MEAN_ERROR * expected.std()
    for what, other in alterations(checkpoint.shape):
        assert np.abs(found - reference_logits(other, tensors, ids)).mean() > 10 * error, what


@pytest.mark.parametrize("name", ["layer norms, learned positions, plain feed-forward", "caps, windows",
                                  "norms of heads, two rotations, a window",
                                  "gated by exact gelu, heads of other sizes, a window"])
def test_batch_equals_one_by_one(name, monkeypatch):
    """Traces too; beyond two groups of positions, so that a window leaves whole groups out."""
    checkpoint, ids = model_of(name), tokens(70)
    whole, trace = GoldenModel(checkpoint, CONTEXT), {}
    expected = whole.forward(ids, 0, trace)
    single, pieces = GoldenModel(checkpoint, CONTEXT), GoldenModel(checkpoint, CONTEXT)
    for at in range(len(ids)):
        one: dict[str, np.ndarray] = {}
        assert np.array_equal(single.forward(ids[at:at + 1], at, one)[0], expected[at])
        assert one.keys() == trace.keys()
        for value, values in ((one[key][0], values[at]) for key, values in trace.items()):
            if value.shape != values.shape:  # scores and weights: of positions after its own
                value, values = value, values[..., :at + 1]
            assert np.array_equal(value, values)
    monkeypatch.setattr("dojang_sim.golden.attention.QUERIES", 8)
    for begin, end in ((0, 7), (7, 40), (40, 70)):
        assert np.array_equal(pieces.forward(ids[begin:end], begin), expected[begin:end])
    assert not whole.nonfinite and not whole.saturated


def test_a_window_is_of_its_kind_of_layer():
    """Weights are zeros outside it, and nowhere else."""
    checkpoint, trace = model_of("norms of heads, two rotations, a window"), {}
    GoldenModel(checkpoint, CONTEXT).forward(tokens(), 0, trace)
    age = np.arange(LENGTH)[:, None] - np.arange(LENGTH)
    for layer, seen in enumerate(((age >= 0) & (age < 6), age >= 0)):
        for name in ("score", "w"):
            found = trace[f"{layer}.{name}"]
            assert found.shape == (LENGTH, 4, LENGTH)
            assert not found[~np.broadcast_to(seen[:, None], found.shape)].any()
        assert np.array_equal((trace[f"{layer}.w"] > 0).any(axis=1), seen)


def test_a_window_as_long_as_the_context_is_none():
    ids, shape = tokens(24), SHAPES["caps, windows"]
    long, none = (replace(shape, kinds=tuple(replace(kind, window=window) for kind in shape.kinds))
                  for window in (24, 0))
    logits = [GoldenModel(random_checkpoint(each), 24).forward(ids, 0) for each in (long, none)]
    assert np.array_equal(logits[0], logits[1])


@pytest.mark.parametrize("name", [name for name, shape in SHAPES.items() if shape.activation != Activation.SILU])
def test_gelu_is_the_one_asked_for(name):
    """Both are so near each other that logits do not tell."""
    checkpoint, trace = model_of(name), {}
    GoldenModel(checkpoint, CONTEXT).forward(tokens(), 0, trace)
    shape = checkpoint.shape
    other = {Activation.GELU_TANH: Activation.GELU_ERF, Activation.GELU_ERF: Activation.GELU_TANH}[shape.activation]
    up = trace["0.up"].astype(float)
    within = {}
    for activation in (shape.activation, other):
        act = ACTIVATIONS[activation]
        exact = act(trace["0.gate"].astype(float)) * up if shape.gated else act(up)
        bound = 2.0 ** -11 * np.abs(exact) + (4e-6 if not shape.gated else 4e-6 * np.abs(up)) + 2.0 ** -25
        within[activation] = (np.abs(trace["0.a"] - exact) <= bound).mean()
    assert within[shape.activation] == 1 and within[other] < 0.8


def test_trace_has_what_the_description_asks_for():
    usual = {"attn_norm", "q", "k", "v", "k_codes", "k_scale", "v_codes", "v_scale", "score", "w", "o", "attn",
             "ffn_norm", "gate", "up", "a", "ffn"}
    for name, own in (("no norms in layers", usual),
                      ("caps, windows", usual | {"post_attention_norm", "post_ffw_norm"}),
                      ("layer norms, learned positions, plain feed-forward", usual - {"gate"})):
        trace: dict[str, np.ndarray] = {}
        GoldenModel(model_of(name), CONTEXT).forward(tokens(3), 0, trace)
        assert set(trace) == {"embedding", "output_norm", "logits"} | {f"{n}.{each}" for n in range(2) for each in own}


def test_without_norms_inputs_are_only_rounded():
    trace: dict[str, np.ndarray] = {}
    GoldenModel(model_of("no norms in layers"), CONTEXT).forward(tokens(3), 0, trace)
    for name, given in (("0.attn_norm", "embedding"), ("0.ffn_norm", "0.attn"), ("1.attn_norm", "0.ffn")):
        assert np.array_equal(trace[name], trace[given].astype(np.float16).astype(np.float32))


def test_no_more_positions_than_were_learned():
    with pytest.raises(ValueError, match=f"context={CONTEXT + 1}, expected at most {CONTEXT}, the positions"):
        GoldenModel(model_of("layer norms, learned positions, plain feed-forward"), CONTEXT + 1)
