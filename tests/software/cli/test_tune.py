"""``dojang tune`` and ``dojang eval --set``: what they write, and their sentences."""

import json

import numpy as np
import pytest
from dojang.checkpoints import ModelShape, load, load_scale_set, write_scale_set
from dojang.checkpoints.synthetic import random_set, write_synthetic
from dojang.cli import app
from dojang.tune.state import State, write_state
from typer.testing import CliRunner

SHAPE = ModelShape(1, 64, 2, 1, 32, 96, 300, 64, tied=True)
"""Of the base."""


def run(*arguments, code=0):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With a model, what was compressed of it, and a text."""
    folder = tmp_path_factory.mktemp("tune")
    write_synthetic(folder / "m.gguf", SHAPE, "Q4_1", "Q8_0")
    (folder / "text").write_text("It was a bright cold day in April, and nobody wrote it down. " * 20)
    run("compress", folder / "m.gguf", folder / "m.dojang", "--recipe", 3, "--calibration", folder / "text")
    return folder


@pytest.fixture
def installed(monkeypatch):
    """PyTorch is looked for, and found."""
    monkeypatch.setattr("dojang.cli.tune.find_spec", lambda name: name)


def tune(folder, out, *more, code=0):
    return run("tune", folder / "m.dojang", out, "--calibration", folder / "text", "--threads", 1, *more, code=code)


def sentence(result):
    assert "Traceback" not in result.stderr
    return " ".join(result.stderr.split("dojang: ")[-1].split())


def test_without_pytorch(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("dojang.cli.tune.find_spec", lambda name: None)
    assert "tuning needs PyTorch" in sentence(tune(folder, tmp_path / "o", code=2))
    assert "pip install 'dojang[tune]'" in sentence(run("bench", "quality", "--tune", 3, code=2))


@pytest.mark.usefixtures("installed")
def test_bad_input_is_one_sentence(folder, tmp_path):
    out = tmp_path / "o.set"
    model = folder / "m.dojang"
    other = write_synthetic(tmp_path / "o.gguf", ModelShape(1, 64, 2, 1, 32, 96, 290, 64), "Q8_0")
    for arguments, expected in (
            ((folder / "m.gguf", out), "not a file that dojang compress has written"),
            (("/none.dojang", out), "/none.dojang is not a file that dojang compress has written"),
            ((model, tmp_path), "it is a folder"), ((model, model), "it is the model"),
            ((model, "/proc/o.set"), "cannot write /proc/.o.set.tune"),
            ((model, out, "--against", other), "o.gguf has other tokens than m.dojang"),
            ((model, out, "--against", "/none"), "model file /none does not exist"),
            ((model, out, "--calibration", "/none"), "the text /none cannot be read"),
            ((model, out, "--steps", 0), "--steps '0'"), ((model, out, "--rate", -1), "--rate '-1'")):
        assert expected in sentence(run("tune", *arguments, code=2))
    assert list(tmp_path.iterdir()) == [other]


@pytest.mark.usefixtures("installed")
def test_the_base_is_not_found(folder, tmp_path):
    (tmp_path / "m.dojang").write_bytes((folder / "m.dojang").read_bytes())
    assert "give --against MODEL" in sentence(tune(tmp_path, tmp_path / "o", code=2))


def test_eval_with_a_set(folder, tmp_path):
    checkpoint = load(folder / "m.dojang")
    write_scale_set(tmp_path / "a.set", random_set(checkpoint, "louder", 1))

    def evaluated(*more):
        result = run("eval", folder / "m.dojang", "--text", folder / "text", "--windows", 1, "--length", 16,
                     "--numerics", "float", "--json", tmp_path / "e.json", *more)
        return result, json.loads((tmp_path / "e.json").read_text())

    _, plain = evaluated()
    result, other = evaluated("--set", tmp_path / "a.set")
    assert plain["set"] is None and other["set"] == "louder" and "with louder" in result.stdout
    assert other["texts"] != plain["texts"] and other["bits_per_weight"] == plain["bits_per_weight"]
    assert "there is no file /none.set" in sentence(run("eval", folder / "m.dojang", "--set", "/none.set", code=2))


@pytest.mark.tune
def test_tune_writes_a_set_that_others_read(folder, tmp_path):
    out, figures = tmp_path / "m.set", tmp_path / "f.json"
    result = tune(folder, out, "--steps", 30, "--rate", 0.01, "--windows", 4, "--json", figures)
    found = json.loads(figures.read_text())
    assert sorted(tmp_path.iterdir()) == [figures, out] and f"scale set: {out}" in result.stderr
    assert found["against"] == "m.gguf" and found["steps"] == 30 and len(found["kl"]) == 30
    assert found["kl_last"] < found["kl_first"] and found["precision"] in ("float32", "bfloat16")
    assert found["kl_first"] == pytest.approx(np.mean(found["kl"][:20]))
    checkpoint = load(folder / "m.dojang")
    tuned = load_scale_set(out)
    assert sum(values.size for values in tuned.values.values()) == sum(found["trained"].values())
    assert checkpoint.with_set(tuned).codes_sha256 == checkpoint.codes_sha256

    def kl(*more):
        run("eval", folder / "m.dojang", "--against", folder / "m.gguf", "--text", folder / "text", "--windows", 4,
            "--length", 64, "--numerics", "float", "--json", figures, *more)
        return json.loads(figures.read_text())["texts"][str(folder / "text")]["kl"]

    assert kl("--set", out) < 0.8 * kl()
    run("generate", folder / "m.dojang", "--set", out, "--prompt", "ab", "--tokens", 2, "--backend", "golden")


@pytest.mark.tune
def test_ctrl_c_says_how_to_go_on(folder, tmp_path, monkeypatch):
    states = [None, State({}, {"scale": np.zeros(1)}, [0.5])]

    def stop(checkpoint, target, options, path, *_):
        state = states.pop(0)
        if state is not None:
            write_state(path, state)
        raise KeyboardInterrupt

    monkeypatch.setattr("dojang.tune.train.tune", stop)
    for expected in ("before there was anything to go on from", "goes on from here"):
        assert expected in tune(folder, tmp_path / "m.set", code=130).stderr


@pytest.mark.tune
def test_a_run_that_diverges(folder, tmp_path):
    result = tune(folder, tmp_path / "m.set", "--rate", 1e9, "--steps", 9, code=2)
    assert "not finite" in sentence(result) and "give a lower --rate" in sentence(result)
    assert not (tmp_path / "m.set").exists()
