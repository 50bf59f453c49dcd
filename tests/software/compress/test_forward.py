"""The float forward pass against the golden model, and the moments it gives."""

import math
from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Rotation, load
from dojang.checkpoints.synthetic import random_checkpoint, write_synthetic
from dojang.compress.activations import ACTIVATIONS
from dojang.compress.calibration import hessians
from dojang.compress.errors import CompressError
from dojang.compress.forward import Forward
from dojang.compress.weights import LayerWeights, inputs
from dojang_sim.golden.model import GoldenModel

TURNED = LayerKind(Rotation(base=5000.0, factors=(1.0,) * 15 + (8.0,)))
SHAPE = ModelShape(2, 96, 4, 2, 32, 160, 300, 64, kinds=(TURNED,))
INPUTS = inputs(SHAPE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "m.gguf", SHAPE, ["Q8_0", "Q4_1", "F16"]))


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(1).integers(0, SHAPE.vocab, (5, 24))


def golden_traces(model, windows):
    golden = GoldenModel(model, windows.shape[1])
    for ids in windows:
        trace = {}
        golden.forward(ids, 0, trace)
        yield trace


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_logits_are_those_of_the_golden_model(model, windows, workers):
    forward, done = Forward(model, windows, workers), []
    forward.layers(done.append)
    assert done == [1, 2]
    head = model.head.dequantize()
    for window, trace in enumerate(golden_traces(model, windows)):
        expected, found = trace["logits"], forward.logits(window, head)
        assert found.dtype == np.float32 and np.abs(found - expected).max() < 0.03 * np.abs(expected).max()


def simpler(model):
    """The model without one of its rules, for each that it has: (what is missing, model)."""
    shape, usual = model.shape, ModelShape(**{field: getattr(model.shape, field) for field in (
        "layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context", "key_dim", "value_dim")})

    def have(what, **rules):
        return what, replace(model, shape=replace(shape, **rules))

    for rule in ("score_scale", "score_cap", "qk_norm", "activation", "embedding_scale", "residual_scale",
                 "logit_scale", "logit_cap"):
        if getattr(shape, rule) != getattr(usual, rule):
            yield have(rule, **{rule: getattr(usual, rule)})
    for names in ("norms", "biases"):
        for name in getattr(shape, names):
            yield have(f"{names}: {name}", **{names: tuple(each for each in getattr(shape, names) if each != name)})
    for rule in ("centred", "bias"):
        if getattr(shape.norm, rule):
            yield have(f"norm.{rule}", norm=replace(shape.norm, **{rule: False}))
    for at, kind in enumerate(shape.kinds):
        others = [replace(kind, window=0), replace(kind, rotation=None)]
        if kind.rotation:
            others.append(replace(kind, rotation=Rotation(kind.rotation.base).of_keys(shape.key_dim)))
        for other in others:
            if other != kind:
                kinds = tuple(other if place == at else each for place, each in enumerate(shape.kinds))
                yield have(f"kind {at}: {other}", kinds=kinds)
    if shape.pattern:
        yield have("pattern", pattern=shape.pattern[::-1])
    if shape.learned_positions:
        yield "learned_positions", replace(model, positions=None)


def test_every_description_is_the_golden_models(description, windows):
    """And is not, by far, without one of its rules."""
    model, windows = random_checkpoint(description, sharpness=2.0), windows[:2] % description.vocab
    expected = [trace["logits"] for trace in golden_traces(model, windows)]

    def distance(other):
        forward, head = Forward(other, windows).layers(), model.head.dequantize()
        return np.sqrt(np.mean([np.square(forward.logits(window, head) - logits).mean()
                                for window, logits in enumerate(expected)])) / np.std(expected)

    own = distance(model)
    assert own < 0.005
    others = {what: distance(other) for what, other in simpler(model)}
    assert len(others) >= 3 and {what: found for what, found in others.items() if found < 10 * own} == {}


@pytest.mark.parametrize("activation, expected", [
    (Activation.SILU, lambda x: x / (1 + math.exp(-x))),
    (Activation.GELU_TANH, lambda x: x / 2 * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))),
    (Activation.GELU_ERF, lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))))])
def test_activations(activation, expected):
    x = np.linspace(-30, 30, 6001, dtype=np.float32)
    assert ACTIVATIONS[activation](x) == pytest.approx(np.array([expected(float(each)) for each in x]), abs=1e-5)
    assert ACTIVATIONS[activation](np.float32([-200]))[0] == 0


def test_windows_longer_than_the_table_of_positions():
    model = random_checkpoint(replace(SHAPE, context=8, learned_positions=True))
    Forward(model, np.zeros((1, 8), int))
    with pytest.raises(CompressError, match="windows of 9 tokens were asked for, expected at most 8, which random has"):
        Forward(model, np.zeros((1, 9), int))


def test_taps_see_the_inputs_of_every_matrix(model, windows):
    """Rounded as the golden model rounds them, they are its inputs but for the roundings before."""
    names = {"attn_in": "attn_norm", "o_in": "o", "ffn_in": "ffn_norm", "down_in": "a"}
    seen = {kind: [] for kind in INPUTS}
    forward = Forward(model, windows)
    for index in range(SHAPE.layers):
        forward.layer(LayerWeights.of(model, index), lambda kind, x: seen[kind].append(x.copy()))
    traces = list(golden_traces(model, windows))
    for kind, name in names.items():
        found = np.concatenate(seen[kind]).reshape(SHAPE.layers, len(windows), windows.shape[1], -1)
        for index in range(SHAPE.layers):
            expected = np.stack([trace[f"{index}.{name}"] for trace in traces])
            assert np.abs(found[index] - expected).max() < 0.02 * np.abs(expected).max(), (kind, index)


def test_moments_are_sums_over_all_tokens(model, windows):
    seen = {}
    forward = Forward(model, windows)
    for index in range(SHAPE.layers):
        forward.layer(LayerWeights.of(model, index), lambda kind, x, index=index: seen.setdefault(
            (index, kind), []).append(x.astype(np.float64)))
    found = list(hessians(model, windows, workers=2, skip=1))
    assert [index for index, *_ in found] == [0, 1] and found[0][2] == {} and list(found[1][2]) == list(INPUTS)
    for kind, hessian in found[1][2].items():
        x = np.concatenate(seen[1, kind])
        assert len(x) == windows.size and hessian.dtype == np.float32
        np.testing.assert_allclose(hessian, x.T @ x, rtol=1e-4, atol=1e-4 * np.abs(hessian).max())


def test_floats_are_taken_as_stored(model):
    """Not as import quantises them: attn_v is F16 in this model."""
    assert model.types["blk.0.attn_v.weight"] == "F16"
    weights = LayerWeights.of(model, 0).matrices["attn_v"]
    assert not np.array_equal(weights, model.layers[0].matrix("attn_v").dequantize())
    np.testing.assert_allclose(weights, model.layers[0].matrix("attn_v").dequantize(), atol=0.01)
    assert np.array_equal(LayerWeights.of(model, 0).matrices["attn_k"], model.layers[0].matrix("attn_k").dequantize())
