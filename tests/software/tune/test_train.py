"""The differentiable model against the numpy one, gradients against differences, and the training itself."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Norm, QKNorm, Rotation, load
from dojang.checkpoints.form import Form
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint, with_forms, write_synthetic
from dojang.evaluation import evaluate, float_model
from dojang.tune import TuneError
from dojang.tune.options import Options
from dojang.tune.parameters import GAIN, SCALE, Parameters
from dojang_hdl.isa import Code

pytestmark = pytest.mark.tune

TURNED = LayerKind(Rotation(base=5000.0, factors=(1.0,) * 15 + (8.0,)))
SHAPE = ModelShape(2, 96, 4, 2, 32, 160, 300, 64, kinds=(TURNED,))
FORMS = {
    "a scale a row": [Form(4, code=Code.X3, group=64, row_scale=True, rotated=True, double=True, zero=-15)],
    "pruned": [(Form(3, code=Code.X2, group=64, row_scale=True, rotated=True, double=True, zero=-7), 0.5)],
    "groups": [Form(4, signed=True, group=128, rotated=True), Form(3, group=64), Form(2, zero=-1)],
    "terms": [Form(1, group=64, rotated=True, double=True, zero=-1, terms=3)],
    "as stored": None,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "m.gguf", SHAPE, ["Q8_0", "Q4_1", "Q4_0"]))


@pytest.fixture(scope="module")
def windows():
    return np.random.default_rng(1).integers(0, SHAPE.vocab, (6, 24))


def model_of(base, name):
    return base if FORMS[name] is None else with_forms(base, FORMS[name], seed=3)


def random_logs(parameters):
    rng = np.random.default_rng(2)
    return {kind: rng.normal(0, 0.1, count).astype(np.float32) for kind, count in parameters.counts.items()}


def loss_of(checkpoint, base, windows, logs):
    """By `evaluate`, whose last position has no target, hence one more token in each window."""
    tuned = checkpoint.with_set(Parameters(checkpoint).scale_set("x", logs))
    longer = [np.append(ids, 0) for ids in windows]
    return evaluate(float_model(tuned), longer, float_model(base)).kl


@pytest.mark.parametrize("name", FORMS)
def test_logits_are_those_of_the_tuned_model(base, windows, name):
    import torch
    from dojang.tune.model import TorchModel

    checkpoint = model_of(base, name)
    parameters = Parameters(checkpoint)
    rng = np.random.default_rng(2)  # factors that FP16 has exactly
    logs = {kind: rng.choice(np.log(np.float32([0.5, 1, 2])), count) for kind, count in parameters.counts.items()}
    model = TorchModel(checkpoint, parameters, torch.float32)
    states = model.states(windows, {kind: torch.from_numpy(values) for kind, values in logs.items()})
    reference = float_model(checkpoint.with_set(parameters.scale_set("x", logs)))
    for found, ids in zip(model.logits(states), windows, strict=True):
        expected = reference(ids)
        assert np.abs(found.numpy() - expected).max() < 1e-4 * np.abs(expected).max()


DESCRIPTIONS = {
    "heads of other sizes": {"head_dim": 64, "key_dim": 48, "value_dim": 36, "score_scale": 0.25,
                             "kinds": (LayerKind(Rotation(dim=24, magnitude=1.5)),), "biases": ("attn_k", "attn_v")},
    "long factors": {"kinds": (LayerKind(Rotation(factors_long=(4.0,) * 16, original_context=20)),)},
    "four norms, caps, windows": {"norms": NORMS, "kinds": (LayerKind(window=5), TURNED), "pattern": (0, 1),
                                  "qk_norm": QKNorm.HEAD, "score_cap": 2.0, "logit_cap": 3.0, "embedding_scale": 3.0,
                                  "activation": Activation.GELU_TANH},
    "centred, learned positions": {"norm": Norm(1e-3, centred=True, bias=True), "kinds": (LayerKind(None),),
                                   "learned_positions": True, "gated": False, "activation": Activation.GELU_ERF,
                                   "biases": ("attn_q", "attn_output", "ffn_up", "ffn_down")},
    "norms behind only, windows": {"norms": ("post_attention_norm", "post_ffw_norm"), "qk_norm": QKNorm.VECTOR,
                                   "kinds": (LayerKind(Rotation(500.0), 7),), "residual_scale": 0.4,
                                   "logit_scale": 0.25, "norm": Norm(bias=True), "biases": ("ffn_gate",)},
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_every_rule(windows, name):
    """Logits of every kind of model, and the gradient along the direction of itself."""
    import torch
    from dojang.tune.divergence import divergence
    from dojang.tune.model import TorchModel

    model = random_checkpoint(replace(SHAPE, **DESCRIPTIONS[name]), FORMS["groups"])
    parameters, reference = Parameters(model), float_model(model)
    trained = TorchModel(model, parameters, torch.float32)
    for found, ids in zip(trained.logits(trained.states(windows)), windows, strict=True):
        expected = reference(ids)
        assert np.abs(found.numpy() - expected).max() < 1e-4 * np.abs(expected).max()
    base = random_checkpoint(model.shape, FORMS["groups"], seed=1)
    target = TorchModel(base, None, torch.float32)

    def loss(values):
        return divergence(trained, trained.states(windows, values), target, target.states(windows))

    logs = {kind: torch.from_numpy(values).requires_grad_() for kind, values in random_logs(parameters).items()}
    found = loss(logs)
    found.backward()
    assert found.item() == pytest.approx(loss_of(model, base, windows, random_logs(parameters)), rel=1e-2)
    for kind in (SCALE, GAIN):
        gradient, size = logs[kind].grad, logs[kind].grad.norm().item()
        step = 2e-3 / size  # changes the loss by two thousandths
        with torch.no_grad():
            ends = [loss({**logs, kind: logs[kind] + sign * step * gradient / size}).item() for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize("name", FORMS)
def test_divergence_and_gradient(base, windows, name):
    """Along one random direction for each kind, by differences of the float64 definition."""
    import torch
    from dojang.tune.divergence import divergence
    from dojang.tune.model import TorchModel

    checkpoint, step = model_of(base, name), 0.02
    parameters = Parameters(checkpoint)
    logs = {kind: torch.from_numpy(values).requires_grad_() for kind, values in random_logs(parameters).items()}
    model, target = TorchModel(checkpoint, parameters, torch.float32), TorchModel(base, None, torch.float32)
    loss = divergence(model, model.states(windows, logs), target, target.states(windows))
    loss.backward()
    at = random_logs(parameters)
    expected = loss_of(checkpoint, base, windows, at)
    assert loss.item() == pytest.approx(expected, rel=1e-2)
    for kind in (SCALE, GAIN):
        gradient = logs[kind].grad.numpy()
        direction = gradient / np.linalg.norm(gradient)
        ends = [loss_of(checkpoint, base, windows, {**at, kind: at[kind] + sign * step * direction})
                for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(np.linalg.norm(gradient), rel=0.05)


def damaged(base):
    """The base with scales that are off by a fifth: training finds them again."""
    parameters = Parameters(base)
    rng = np.random.default_rng(7)
    return base.with_set(parameters.scale_set("off", {kind: rng.normal(0, 0.2, count)
                                                      for kind, count in parameters.counts.items()}))


def test_training_helps_where_it_was_not_trained(base, windows, tmp_path):
    from dojang.tune.train import Target, tune

    checkpoint, others = damaged(base), np.random.default_rng(9).integers(0, SHAPE.vocab, (4, 24))
    before = loss_of(checkpoint, base, others, {kind: np.zeros(n) for kind, n in Parameters(checkpoint).counts.items()})
    report = tune(checkpoint, Target(base, windows, "float32"), Options(60, 2, 2e-2, 1e-2), tmp_path / "s", "x")
    tuned = checkpoint.with_set(report.scale_set)
    after = evaluate(float_model(tuned), [np.append(ids, 0) for ids in others], float_model(base)).kl
    assert len(report.kl) == 60 and report.last < 0.5 * report.first and after < 0.7 * before


@pytest.mark.parametrize("stop", [3, 7])
def test_an_interrupted_run_goes_on_exactly(base, windows, tmp_path, stop):
    from dojang.tune.train import Target, tune

    checkpoint, options = damaged(base), Options(12, 2, 1e-2, 1e-2, seed=4)

    def interrupt(done, kl):
        if done == stop:
            raise KeyboardInterrupt

    whole = tune(checkpoint, Target(base, windows, "float32"), options, tmp_path / "whole", "x")
    with pytest.raises(KeyboardInterrupt):
        tune(checkpoint, Target(base, windows, "float32"), options, tmp_path / "s", "x", interrupt)
    again = tune(checkpoint, Target(base, windows, "float32"), options, tmp_path / "s", "x")
    assert again.resumed == stop // 5 * 5 and again.kl == whole.kl
    for name, values in whole.scale_set.values.items():
        assert np.array_equal(values, again.scale_set.values[name]), name
    with pytest.raises(TuneError, match="--seed 4, not --seed 5"):
        tune(checkpoint, Target(base, windows, "float32"), Options(12, 2, 1e-2, 1e-2, seed=5), tmp_path / "s", "x")


def test_what_is_not_finite_loses_nothing(base, windows, tmp_path, monkeypatch):
    from dojang.tune import train

    target = train.Target(base, windows, "float32")
    real, calls = train.divergence, []

    def sometimes(*arguments):
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) == 8 else 1)

    monkeypatch.setattr(train, "divergence", sometimes)
    with pytest.raises(TuneError, match=r"of step 8 or its gradient is not finite; .* keeps the 5 steps before"):
        train.tune(damaged(base), target, Options(9), tmp_path / "s", "x")
    assert train.tune(damaged(base), target, Options(9), tmp_path / "s", "x").resumed == 5


def test_every_window_comes_before_one_comes_again(base, windows, tmp_path):
    from dojang.tune.train import Target, _Run

    run = _Run(base, Target(base, windows, "float32"), Options(9, 4), tmp_path / "s")
    order = [index for step in range(9) for index in run._windows_of(step)]
    assert all(sorted(order[at:at + 6]) == list(range(6)) for at in range(0, 36, 6))
    assert order[:6] != order[6:12]


def test_bfloat16_is_near(base, windows):
    import torch
    from dojang.tune.model import TorchModel

    checkpoint = model_of(base, "a scale a row")
    found = [TorchModel(checkpoint, None, dtype).states(windows[:2]) for dtype in (torch.float32, torch.bfloat16)]
    assert 0 < (found[0] - found[1]).norm() < 0.03 * found[0].norm()
