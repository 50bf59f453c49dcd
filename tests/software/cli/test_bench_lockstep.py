"""``dojang bench lockstep`` and ``dojang plot``: figures, table, pictures, messages."""

import importlib.util
import json
from pathlib import Path

import pytest
from dojang.cli import app
from dojang.cli.bench_lockstep import DOCUMENT, FIGURES, document_table
from dojang.lockstep import SPARSITIES, UNITS
from dojang_fpga.table import fill
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner(env={"COLUMNS": "200"}).invoke(app, arguments)


def test_figures_picture_and_table(run, tmp_path):
    (tmp_path / DOCUMENT).parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("<!-- lockstep:begin -->\n<!-- lockstep:end -->\n")
    result = run("bench", "lockstep", "--count", "4096", "--model", "glassllm", "--json", str(FIGURES), "--svg",
                 "a/b.svg")
    assert result.exit_code == 0, result.stderr
    for message in (f"figures: {FIGURES}", "picture: a/b.svg", f"table: {DOCUMENT}"):
        assert message in result.stderr
    figures = json.loads((tmp_path / FIGURES).read_text())
    assert (figures["label"], figures["model"], figures["units"]) == ("simulated", "glassllm", list(UNITS))
    assert [(curve["block"], curve["mask"], curve["sparsity"]) for curve in figures["curves"]] == [
        (block, mask, sparsity) for mask in ("random", "glassllm") for block in ("32x32", "1x32")
        for sparsity in SPARSITIES]
    text = (tmp_path / DOCUMENT).read_text()
    assert document_table(figures) in text
    assert "| block | mask | S | spread | 4 units | 16 units | 64 units | 256 units | 1,024 units |" in text
    assert run("plot", "lockstep", str(FIGURES), "--svg", "c.svg").exit_code == 0
    assert (tmp_path / "c.svg").read_bytes() == (tmp_path / "a/b.svg").read_bytes()


def test_a_row_has_its_places():
    figures = {"units": [2, 4096], "curves": [
        {"block": "4x8", "mask": "random", "sparsity": 0.5, "spread": 0.256, "time": [1.004, 12.346]}]}
    assert document_table(figures).splitlines() == [
        "| block | mask | S | spread | 2 units | 4,096 units |", "| --- | --- | --: | --: | --: | --: |",
        "| 4 × 8 | random | 0.5 | 0.26 | 1.00 | 12.35 |"]


@pytest.mark.parametrize("arguments, message", [
    (["--sparsity", "1"], "a sparsity of 1 was asked for, expected a number between 0 and 1"),
    (["--sparsity", "nan"], "a sparsity of nan was asked for"),
    (["--block", "32"], "a block of '32' was asked for, expected ROWSxCOLUMNS like 32x32"),
    (["--units", "0"], "--units"),
    (["--model", "none.gguf"], "none.gguf"),
    (["--svg", "."], "cannot write .: Is a directory"),
])
def test_bad_input(run, arguments, message):
    result = run("bench", "lockstep", "--count", "16", *arguments)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr


def test_without_matplotlib_nothing_is_begun(run, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = run("bench", "lockstep", "--json", "a.json", "--svg", "a.svg")
    assert result.exit_code == 2 and "drawing needs matplotlib, which is not installed" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_quality(run, tmp_path):
    row = {"name": "X3", "bits_per_weight": 3.0, "bytes_per_token": 7e7, "lee": 40.0, "pydoc": 20.0, "tuned": True,
           "label": "measured"}
    Path("q.json").write_text(json.dumps({"base": {"lee": 37.4, "pydoc": 19.5}, "rows": [row]}))
    result = run("plot", "quality", "q.json", "--svg", "pictures/q.svg")
    assert result.exit_code == 0 and "picture: pictures/q.svg" in result.stderr
    assert "3.00 bits, 70.0 MB a token" in (tmp_path / "pictures/q.svg").read_text()


@pytest.mark.parametrize("kind", ["quality", "lockstep"])
@pytest.mark.parametrize("content, message", [
    (None, "cannot read q.json: No such file or directory"), ("{", "q.json is not JSON"),
    ("[]", "lack"), ("{}", "lack")])
def test_json_that_cannot_be_drawn(run, kind, content, message, tmp_path):
    if content is not None:
        Path("q.json").write_text(content)
    result = run("plot", kind, "q.json", "--svg", "q.svg")
    assert result.exit_code == 2 and message in result.stderr
    assert not (tmp_path / "q.svg").exists()


def test_document_has_the_figures():
    document, figures = ROOT / DOCUMENT, json.loads((ROOT / FIGURES).read_text())
    text = document.read_text(encoding="utf-8")
    assert fill(text, figures, str(document), {"lockstep": document_table}) == (text, 1)


def test_the_figures_kept_are_those_of_random_masks_and_of_a_model():
    figures = json.loads((ROOT / FIGURES).read_text())
    assert (figures["label"], figures["model"], figures["units"]) == ("simulated", "smollm2", list(UNITS))
    random = [curve for curve in figures["curves"] if curve["mask"] == "random"]
    real = [curve for curve in figures["curves"] if curve["mask"] == "smollm2"]
    for curves in (random, real):
        assert [curve["sparsity"] for curve in curves] == [*SPARSITIES, *SPARSITIES]
    for curve, other in zip(random, real, strict=True):
        assert curve["time"] == pytest.approx(curve["expected"], rel=0.005)
        assert all(mine < its for mine, its in zip(curve["time"], other["time"], strict=True))
