"""Whole models: what comes out computes what went in, a run that is stopped goes on, and nothing half written stays."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.compress import compress as module
from dojang.compress.calibration import hessians
from dojang.compress.compress import compress
from dojang.compress.errors import CompressError
from dojang.compress.forward import Forward
from dojang.compress.plan import RECIPES, Options, Plan, Rule
from dojang_hdl.isa import Code
from dojang_sim.golden.model import GoldenModel

SHAPE = ModelShape(2, 96, 4, 2, 32, 160, 130, 64, tied=True)
MATRICES = SHAPE.layers * 7


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "m.gguf", SHAPE, ["Q8_0", "F16"], "Q8_0"))


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(1).integers(0, SHAPE.vocab, (6, 32))


def logits(model, windows):
    forward = Forward(model, windows).layers()
    head = model.head.dequantize()
    return np.stack([forward.logits(window, head) for window in range(len(windows))])


def distance(model, other, windows):
    a, b = logits(model, windows), logits(other, windows)
    return float(np.square(a - b).mean() / np.square(b).mean())


@pytest.mark.parametrize("plan, largest", [
    (Plan(Options(8)), 5e-4), (Plan(Options(8, 32, rotate=False)), 5e-4), (Plan(Options(7, "row", "rtn")), 2e-3),
    (Plan(Options(Code.X4)), 0.05), (Plan(Options(5, 64, "bcq")), 0.05),
    (Plan(Options(Code.X4, 32, rotate=False), (Rule("ffn_*", {"bits": 8, "group": 64, "rotate": True}),
                                               Rule("blk.1.attn_q", {"keep": True}))), 0.05),
])
def test_the_model_stays_the_same(model, windows, tmp_path, plan, largest):
    """Signs and rotations cancel: many bits give almost the same logits, whatever is rotated or kept."""
    compress(model, tmp_path / "m.dojang", plan, windows)
    found = load(tmp_path / "m.dojang")
    assert 0 < distance(found, model, windows) < largest
    assert list(tmp_path.iterdir()) == [tmp_path / "m.dojang"]


def test_heads_whose_sizes_differ(windows, tmp_path):
    """Window codes run down rows without gaps, and signs of V's rows reach the columns that read them."""
    kind = LayerKind(Rotation(dim=24, magnitude=1.25))
    shape = ModelShape(1, 96, 4, 2, 64, 160, 130, 64, key_dim=48, value_dim=36, kinds=(kind,))
    model = load(write_synthetic(tmp_path / "m.gguf", shape, "F16"))
    compress(model, tmp_path / "m.dojang", Plan(Options(Code.X4)), windows)
    found = load(tmp_path / "m.dojang")
    assert found.shape == model.shape and 0 < distance(found, model, windows) < 0.05
    expected = logits(found, windows[:1])[0]
    golden = GoldenModel(found, 32).forward(windows[0], 0)
    assert np.abs(golden - expected).max() < 0.03 * np.abs(expected).max()


def test_golden_model_and_float_agree_on_the_result(model, windows, tmp_path):
    compress(model, tmp_path / "m.dojang", RECIPES["2"], windows)
    found = load(tmp_path / "m.dojang")
    expected = logits(found, windows[:1])[0]
    golden = GoldenModel(found, 32).forward(windows[0], 0)
    assert np.abs(golden - expected).max() < 0.03 * np.abs(expected).max()


def test_signs_are_used_where_they_can_be(model, windows, tmp_path):
    def gains(plan, name):
        compress(model, tmp_path / "m.dojang", plan, windows)
        found = load(tmp_path / "m.dojang").load_vector(name)
        expected = model.load_vector(name)
        assert np.array_equal(np.abs(found), np.abs(expected))
        return bool((np.sign(found) != np.sign(expected)).any())

    rtn, norm = Options(8, method="rtn"), "blk.0.attn_norm.weight"
    assert gains(Plan(rtn), norm) and gains(Plan(rtn), "blk.1.ffn_norm.weight")
    assert not gains(Plan(rtn), "output_norm.weight") and not gains(Plan(replace(rtn, rotate=False)), norm)
    assert not gains(Plan(rtn, (Rule("attn_k", {"keep": True}),)), norm)


def test_report(model, windows, tmp_path):
    seen = []
    plan = Plan(Options(Code.X3), (Rule("attn_v", {"keep": True}), Rule("ffn_up", {"bits": 2, "sparsity": 0.5,
                                                                                  "prune": "magnitude"})))
    report = compress(model, tmp_path / "m.dojang", plan, windows, 2, lambda *state: seen.append(state))
    assert len(report.tensors) == MATRICES + 1 and report.resumed == 0
    assert [state[0] for state in seen] == sorted(state[0] for state in seen) and seen[-1][0] == seen[-1][1]
    kept = report.tensors["blk.0.attn_v.weight"]
    assert kept.error is None and (isinstance(kept.matrix, np.ndarray) or kept.matrix.source == "Q8_0")
    found = load(tmp_path / "m.dojang")
    assert 0 < report.tensors["blk.1.attn_q.weight"].error < 0.05
    share = (found.layers[0].matrix("ffn_up").codes[:, :, :] == 0).mean()
    assert 0.45 < share < 0.9 and found.layers[0].matrix("ffn_up").mask is None
    assert found.layers[1].matrix("attn_q").source == "X3, rotated"


def test_masks_of_window_codes(model, windows, tmp_path):
    plan = Plan(Options(Code.X2, sparsity=0.5, prune="magnitude", rotate=False))
    compress(model, tmp_path / "m.dojang", plan, windows)
    matrix = load(tmp_path / "m.dojang").layers[0].matrix("ffn_down")
    assert matrix.mask is not None and abs((matrix.dequantize() == 0).mean() - 0.5) < 0.01


def test_same_file_whatever_the_threads(model, windows, tmp_path):
    for workers in (1, 3):
        compress(model, tmp_path / f"{workers}.dojang", Plan(Options(4, method="rtn")), windows, workers)
    a, b = (load(tmp_path / f"{workers}.dojang") for workers in (1, 3))
    for (name, ours), (_, theirs) in zip(a.matrices(), b.matrices(), strict=True):
        assert np.array_equal(ours.codes, theirs.codes) and np.array_equal(ours.scale, theirs.scale), name


@pytest.mark.parametrize("stop_at", [1, 5, MATRICES])
def test_an_interrupted_run_goes_on(model, windows, tmp_path, monkeypatch, stop_at):
    plan, path, calls = Plan(Options(Code.X3)), tmp_path / "m.dojang", []
    compress(model, tmp_path / "whole.dojang", plan, windows)

    def quantize(*arguments, original=module.quantize_matrix):
        calls.append(1)
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "quantize_matrix", quantize)
    with pytest.raises(KeyboardInterrupt):
        compress(model, path, plan, windows)
    assert not path.exists()
    report = compress(model, path, plan, windows)
    assert report.resumed >= stop_at - 1 and len(calls) == MATRICES + 1  # only what was stopped is done twice
    assert path.read_bytes() == (tmp_path / "whole.dojang").read_bytes()
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "whole.dojang"]


def test_a_run_does_not_go_on_from_another_one(model, windows, tmp_path, monkeypatch):
    """Another plan, another model or other text: nothing is taken over."""
    path = tmp_path / "m.dojang"
    monkeypatch.setattr(module, "write_container", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    for plan, text in ((Plan(Options(4)), windows), (Plan(Options(5)), windows), (Plan(Options(4)), windows[::-1])):
        with pytest.raises(KeyboardInterrupt):
            compress(model, path, plan, text)
    assert len(list(tmp_path.iterdir())) == 3


def test_damaged_work_is_done_again(model, windows, tmp_path, monkeypatch):
    path, plan = tmp_path / "m.dojang", Plan(Options(4))
    with monkeypatch.context() as patch:
        patch.setattr(module, "write_container", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            compress(model, path, plan, windows)
    folder = next(tmp_path.iterdir())
    files = sorted(folder.iterdir())
    assert len(files) == MATRICES
    files[3].write_bytes(files[3].read_bytes()[:-7])
    assert compress(model, path, plan, windows).resumed == MATRICES - 1
    load(path).layers[1].matrix("ffn_down").dequantize()


def test_bad_weights_are_named(model, windows, tmp_path):
    name = "blk.1.attn_k.weight"

    def floats(tensor, original=model.load_floats):
        values = original(tensor).copy()
        if tensor == name:
            values[3, 4] = np.nan
        return values

    broken = replace(model, load_floats=floats, types={**model.types, name: "F16"})
    with pytest.raises(CompressError, match=r"tensor blk\.1\.attn_k\.weight: the weight in row 3"):
        compress(broken, tmp_path / "m.dojang", Plan(Options(4, method="rtn", rotate=False)), windows)
    assert not (tmp_path / "m.dojang").exists()


def test_a_matrix_of_zeros(model, windows, tmp_path):
    def floats(tensor, original=model.load_floats):
        return original(tensor) * (not tensor.startswith("blk.0.attn_v"))

    zeros = replace(model, load_floats=floats, types={**model.types, "blk.0.attn_v.weight": "F16"})
    compress(zeros, tmp_path / "m.dojang", Plan(Options(Code.X3)), windows)
    assert not load(tmp_path / "m.dojang").layers[0].matrix("attn_v").dequantize().any()


def test_contradictions_are_found_first(model, windows, tmp_path):
    plan = Plan(Options(4), (Rule("blk.1.ffn_down", {"group": 32}),))
    with pytest.raises(CompressError, match=r"tensor blk\.1\.ffn_down\.weight: groups of 32 columns cannot be rotated"):
        compress(model, tmp_path / "m.dojang", plan, windows)
    with pytest.raises(CompressError, match="rows of an embedding are read alone"):
        compress(model, tmp_path / "m.dojang", Plan(rules=(Rule("token_embd", {"bits": Code.X3}),)), windows)


def test_the_head_if_it_is_asked_for(model, windows, tmp_path):
    plan = Plan(Options(8), (Rule("token_embd", {"bits": 6, "group": 64, "method": "rtn", "rotate": False}),))
    compress(model, tmp_path / "m.dojang", plan, windows)
    found = load(tmp_path / "m.dojang")
    assert found.head.bits == 6 and found.head.form.group == 64
    assert np.array_equal(found.embedding[7], found.head.dequantize()[7])


def test_moments_may_be_given(model, windows, tmp_path):
    plan = Plan(Options(Code.X3))
    moments = [found for _, _, found in hessians(model, windows)]
    compress(model, tmp_path / "a.dojang", plan, windows)
    compress(model, tmp_path / "b.dojang", plan, windows, moments=moments)
    assert (tmp_path / "a.dojang").read_bytes() == (tmp_path / "b.dojang").read_bytes()
    compress(model, tmp_path / "c.dojang", plan, windows, moments=moments[::-1])
    assert (tmp_path / "a.dojang").read_bytes() != (tmp_path / "c.dojang").read_bytes()


def test_kept_matrices_of_converted_types_are_told(windows, tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 256, 8, 8, 32, 256, 300, 64), ["Q4_0"], "Q4_K", "Q6_K")
    source = load(path)
    compress(source, tmp_path / "m.dojang", Plan(Options(4, method="rtn", rotate=False)), windows)
    found = load(tmp_path / "m.dojang")
    assert found.messages == [
        "head converted from Q6_K to 8 bits, groups of 32",
        "embedding converted from Q4_K to 4 bits, groups of 32, with an offset, products of scales rounded to FP16"]
    np.testing.assert_array_equal(found.head.dequantize(), source.head.dequantize())
    assert found.embedding[7] == pytest.approx(source.embedding[7], rel=0, abs=5e-3)
