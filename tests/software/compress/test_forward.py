"""The float forward pass against the golden model, and the moments it gives."""

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.compress.calibration import hessians
from dojang.compress.forward import INPUTS, Forward, LayerWeights
from dojang_sim.golden.model import GoldenModel

SHAPE = ModelShape(2, 96, 4, 2, 32, 160, 300, 64, kinds=(LayerKind(Rotation(base=5000.0, factors=(1.0,) * 15 + (8.0,))),))


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


@pytest.mark.parametrize("fields", [
    {"head_dim": 64, "key_dim": 48, "value_dim": 64, "rotary_dim": 24, "rope_magnitude": 1.5, "score_scale": 0.25},
    {"head_dim": 32, "rope_factors_long": (4.0,) * 16, "original_context": 20}])
def test_heads_and_rotary_rules_of_every_kind(windows, tmp_path, fields):
    shape = ModelShape(**{"layers": 1, "d": 96, "heads": 4, "kv_heads": 2, "ffn": 160, "vocab": 300, "context": 64,
                          **fields})
    model = load(write_synthetic(tmp_path / "m.gguf", shape, "Q8_0", sharpness=2.0))
    forward, head = Forward(model, windows[:2]).layers(), model.head.dequantize()
    for window, trace in enumerate(golden_traces(model, windows[:2])):
        expected = trace["logits"]
        assert np.abs(forward.logits(window, head) - expected).max() < 0.03 * np.abs(expected).max()


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
