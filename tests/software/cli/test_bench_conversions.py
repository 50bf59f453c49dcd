"""``dojang bench conversions``: rows are added to the figures, and the cost is that of the import."""

import json
from dataclasses import replace

import numpy as np
import pytest
from dojang import conversions
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app, bench_conversions
from dojang.cli.bench_conversions import document_table
from dojang.evaluation import evaluate, float_model
from typer.testing import CliRunner


@pytest.fixture
def arguments(tmp_path, monkeypatch):
    text = "It was a bright cold day in April, and nobody wrote it down. " * 5
    monkeypatch.setattr(bench_conversions, "builtin_text", lambda name: name + text)
    model = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 96, 3, 1, 32, 64, 300, 32), "Q8_0")
    return ["--model", model, "--windows", 2, "--json", tmp_path / "c.json"]


def run(*arguments, code=0):
    result = CliRunner().invoke(app, ["bench", "conversions", *map(str, arguments)])
    assert result.exit_code == code, result.stderr
    return result


def test_rows_are_added(arguments, tmp_path):
    run("Q4_K", *arguments)
    first = json.loads((tmp_path / "c.json").read_text())
    run("Q6_K", "F16", *arguments)
    figures = json.loads((tmp_path / "c.json").read_text())
    assert [row["type"] for row in figures["rows"]] == ["F16", "Q4_K", "Q6_K"]
    assert figures["rows"][1] == first["rows"][0]
    for row in figures["rows"]:
        for cost in row["texts"].values():
            assert cost["perplexity"] != cost["perplexity_stored"] and 0 < cost["kl"] < 1e-3 and row["every"] == 1
            assert cost["change_percent"] == pytest.approx(
                100 * (cost["perplexity"] - cost["perplexity_stored"]) / cost["perplexity_stored"])
    run("Q4_K", *arguments, "--windows", 1)  # of other windows: not to be mixed
    assert [row["type"] for row in json.loads((tmp_path / "c.json").read_text())["rows"]] == ["Q4_K"]


def test_table_of_every_type():
    texts = {text: {"perplexity_stored": 20.0, "change_percent": 0.0123, "kl": 1e-5} for text in ("lee", "pydoc")}
    table = document_table({"rows": [{"type": "Q6_K", "texts": texts}]}).splitlines()
    cost = "20.00, +0.012 % | 20.00, +0.012 % | 1.0e-05 |"
    assert f"| Q6_K | 6.5625 | 8 bits, groups of 32 | 8.5 | nearest codes | {cost}" in table
    assert "| Q4_0 | 4.5 | 4 bits, groups of 32 | 4.5 | exact | nothing | nothing | 0 |" in table
    assert any(line.startswith("| IQ2_XS | 2.3125 |") and "not measured" in line for line in table)


def test_costs_are_those_of_models_with_such_weights(arguments, tmp_path):
    """Against whole models whose matrices are the file's, and the chip's; heads and layers included."""
    checkpoint = load(arguments[1])
    windows = np.random.default_rng(1).integers(0, 256, (3, 24))
    for source in ("Q2_K", "Q6_K"):
        def floats(which, source=source):
            def load_floats(name):
                weights = checkpoint.floats(name)
                if name == "output.weight" and source == "Q2_K":
                    return weights
                return conversions.convert(name, weights, source)[which]
            return load_floats

        stored, imported = (float_model(replace(checkpoint, load_floats=floats(which))) for which in (0, 1))
        expected = evaluate(imported, windows[:2], stored)
        found = conversions.measure(checkpoint, source, {"a": windows[2:], "b": windows[:2]})
        assert expected.kl and found["b"].kl == pytest.approx(expected.kl, rel=1e-3)
        assert found["b"].other_perplexity == pytest.approx(expected.other_perplexity, rel=1e-5)


def test_rows_are_padded_to_blocks():
    weights = np.random.default_rng(2).standard_normal((5, 300)).astype(np.float32)
    stored, imported = conversions.convert("w", weights, "Q4_K")
    assert stored.shape == imported.shape == weights.shape and np.abs(stored - weights).max() < 0.4
    assert 0 < np.abs(stored - imported).max() < 1e-2


def test_errors(arguments, tmp_path):
    assert "type 'Q4_0' is none of F16, Q2_K" in run("Q4_0", *arguments, code=2).stderr
    (tmp_path / "c.json").write_text("{")
    assert "is not JSON" in run(*arguments, code=2).stderr
