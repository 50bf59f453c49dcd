"""``dojang bench encoder`` and ``care-bits``: figures, documents, messages."""

import json
from pathlib import Path

import pytest
from dojang.cli import app
from dojang.cli.bench_encoder import DOCUMENTS, FIGURES, SPARSITIES, TABLES
from dojang.compress import care_bits, speed
from dojang_fpga.table import fill
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]
names = pytest.mark.parametrize("name", FIGURES)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs a command in an empty folder, with figures that take no time."""
    monkeypatch.chdir(tmp_path)
    kept = {name: json.loads((ROOT / path).read_text()) for name, path in FIGURES.items()}
    monkeypatch.setattr(speed, "encoder_figures", lambda: kept["encoder"]["codes"])
    monkeypatch.setattr(care_bits, "share_matched", lambda sparsity, bits, progress: {
        **next(plane for plane in kept["care-bits"]["planes"] if plane["sparsity"] == sparsity), "care_bits": bits})
    return lambda *arguments: CliRunner(env={"COLUMNS": "200"}).invoke(app, ["bench", *arguments])


def test_encoder(run, tmp_path):
    result = run("encoder", "--json", "figures.json")
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [code["code"] for code in figures["codes"]] == ["X2", "X2.5", "X3", "X4"]
    assert figures["cores"] >= 1 and figures["load"] >= 0 and figures["processor"]
    assert "X2.5" in result.stdout and "figures: figures.json" in result.stderr


def test_care_bits(run, tmp_path):
    result = run("care-bits", "--care-bits", "500", "--json", "figures.json")
    assert result.exit_code == 0, result.stderr
    planes = json.loads((tmp_path / "figures.json").read_text())["planes"]
    assert [(plane["sparsity"], plane["care_bits"]) for plane in planes] == [(sparsity, 500) for sparsity in SPARSITIES]


@names
def test_document_is_made_anew(run, tmp_path, name):
    for path in (DOCUMENTS[name], FIGURES[name]):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / DOCUMENTS[name]).write_text(f"<!-- {name}:begin -->\n<!-- {name}:end -->\n")
    result = run(name, "--json", str(FIGURES[name]))
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / FIGURES[name]).read_text())
    assert TABLES[name](figures) in (tmp_path / DOCUMENTS[name]).read_text()
    (tmp_path / DOCUMENTS[name]).write_text(f"<!-- {name}:begin -->\n")
    result = run(name, "--json", str(FIGURES[name]))
    assert result.exit_code == 2 and DOCUMENTS[name].name in result.stderr and "Traceback" not in result.stderr


@names
def test_file_that_cannot_be_written(run, tmp_path, name):
    (tmp_path / "folder").mkdir()
    result = run(name, "--json", "folder")
    assert result.exit_code == 2 and "folder" in result.stderr


@names
def test_document_has_the_figures(name):
    figures = json.loads((ROOT / FIGURES[name]).read_text())
    text = (ROOT / DOCUMENTS[name]).read_text(encoding="utf-8")
    assert fill(text, figures, name, {name: TABLES[name]}) == (text, 1)


def test_what_is_promised():
    for code in json.loads((ROOT / FIGURES["encoder"]).read_text())["codes"]:
        assert code["weights_per_s_per_core"] >= 4e6 or code["code"] not in ("X2", "X3")
    for plane in json.loads((ROOT / FIGURES["care-bits"]).read_text())["planes"]:
        assert plane["matched"] >= (0.99 if plane["sparsity"] <= 0.7 else 0.986)
