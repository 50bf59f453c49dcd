"""``dojang bench quality``: rows are added to the figures, models that are there are used again."""

import json
from math import log

import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app, bench_quality
from dojang.compress.plan import Options, Plan
from dojang.evaluation import bytes_per_token
from typer.testing import CliRunner


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    text = "It was a bright cold day in April, and nobody wrote it down. " * 50
    monkeypatch.setattr(bench_quality, "builtin_text", lambda name: name + text)
    monkeypatch.setattr("dojang.texts.builtin_text", lambda name: name + text)
    monkeypatch.setattr("dojang.texts.EVALUATION", 1)
    monkeypatch.setattr(bench_quality, "ROWS", {"a": Plan(Options(8)), "b": Plan(Options(2, "row"))})
    model = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 128, 300, 32, tied=True), "Q8_0")
    return ["--model", model, "--windows", 2, "--folder", tmp_path / "models", "--json", tmp_path / "q.json"]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["bench", "quality", *map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result


def test_rows(arguments, tmp_path):
    run(*arguments)
    figures = json.loads((tmp_path / "q.json").read_text())
    rows = {row["name"]: row for row in figures["rows"]}
    base, a, b = figures["base"], rows["a"], rows["b"]
    assert b["bits_per_weight"] == pytest.approx(2 + 16 / 73.1, abs=0.05) and a["bits_per_weight"] == 8.25
    assert base["lee"] != base["pydoc"] and abs(log(a["lee"] / base["lee"])) < abs(log(b["lee"] / base["lee"]))
    assert a["bytes_per_token"] == bytes_per_token(load(tmp_path / "models/m.gguf-a.dojang"))
    assert a["compress_seconds"] > 0 and a["label"] == "measured" and a["numerics"] == "float" and not a["tuned"]


def test_a_row_again(arguments, tmp_path):
    run(*arguments)
    first = json.loads((tmp_path / "q.json").read_text())
    first["rows"].append({**first["rows"][0], "tuned": True})
    (tmp_path / "q.json").write_text(json.dumps(first))
    run("a", *arguments, "--numerics", "golden")
    second = json.loads((tmp_path / "q.json").read_text())
    assert [(row["name"], row["tuned"]) for row in second["rows"]] == [("b", False), ("a", True), ("a", False)]
    assert second["rows"][2]["compress_seconds"] is None and second["rows"][2]["numerics"] == "golden"
    assert log(second["rows"][2]["lee"]) == pytest.approx(log(first["rows"][0]["lee"]), rel=1e-3)


def test_a_model_of_another_plan_is_made_anew(arguments, tmp_path, monkeypatch):
    run("a", *arguments)
    monkeypatch.setattr(bench_quality, "ROWS", {"a": Plan(Options(7))})
    run("a", *arguments)
    rows = json.loads((tmp_path / "q.json").read_text())["rows"]
    assert len(rows) == 1 and rows[0]["compress_seconds"] > 0 and rows[0]["bits_per_weight"] < 8


def test_errors(arguments, tmp_path):
    assert "row 'c' is none of 'a', 'b'" in run("c", *arguments, code=2).stderr
    (tmp_path / "q.json").write_text("{")
    assert "is not JSON" in run(*arguments, code=2).stderr


@pytest.mark.tune
def test_tuned_rows(arguments, tmp_path):
    run("b", *arguments, "--tune", 3)
    first = json.loads((tmp_path / "q.json").read_text())["rows"]
    assert [(row["name"], row["tuned"]) for row in first] == [("b", False), ("b", True)]
    assert first[1]["tune_steps"] == 3 and first[1]["tune_seconds"] > 0 and first[1]["lee"] != first[0]["lee"]
    target = tmp_path / "models/m.gguf-b-tuned-3.set"
    written = target.stat().st_mtime_ns
    run("b", *arguments, "--tune", 3)
    assert json.loads((tmp_path / "q.json").read_text())["rows"] == first and target.stat().st_mtime_ns == written
    figures = json.loads(target.with_suffix(".set.json").read_text())
    target.with_suffix(".set.json").write_text(json.dumps({**figures, "rate": 1}))  # of other options
    run("b", *arguments, "--tune", 3)
    assert target.stat().st_mtime_ns > written
