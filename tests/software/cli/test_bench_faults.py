"""``dojang bench faults`` with the simulation replaced: figures, table, messages."""

import json
from pathlib import Path

import dojang.faults
import pytest
from dojang.cli import app
from dojang.cli.bench_faults import DOCUMENT, FIGURES, OUTCOMES, document_table
from dojang.faults import KINDS, Fault, Outcome, Trial
from dojang_fpga.table import fill
from dojang_sim.lpddr4 import traffic
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in an empty folder; what comes of the faults of each kind is always the same."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, outcome=None):
        def campaign(channel, memory, kinds, count):
            expected = Outcome.ERROR if kinds[0].promise == "an error" else Outcome.PUT_RIGHT
            return [Trial(kinds[0], number, Fault(), outcome or expected, None) for number in range(count)]

        monkeypatch.setattr(traffic, "build_lpddr4_traffic", lambda config, tile: None)
        monkeypatch.setattr(dojang.faults, "campaign", campaign)
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["bench", "faults", *arguments])

    return call


def test_all_kinds(run, tmp_path):
    (tmp_path / DOCUMENT).parent.mkdir(parents=True)
    FIGURES.parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("<!-- faults:begin -->\n<!-- faults:end -->\n")
    result = run("--count", "7", "--json", str(FIGURES))
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / FIGURES).read_text())
    assert [kind["description"] for kind in figures["kinds"]] == [kind.description for kind in KINDS]
    assert figures["kinds"][0] == {
        "description": KINDS[0].description, "promise": "no wrong word, no error", "faults": 7, "nothing": 0,
        "put right": 7, "error": 0, "silent": 0, "stopped": 0}
    lines = (tmp_path / DOCUMENT).read_text().splitlines()
    assert f"| {KINDS[0].description} | no wrong word, no error | 7 |  | 7 |  |  |  |" in lines


def test_a_promise_that_is_broken(run):
    result = run("--count", "1", outcome=Outcome.SILENT)
    assert result.exit_code == 2
    assert f"not as promised: {KINDS[0].description}, number 0 (silent), " in " ".join(result.stderr.split())


def test_headings_are_the_outcomes():
    assert list(OUTCOMES) == list(Outcome)


def test_document_has_the_figures():
    document, figures = ROOT / DOCUMENT, json.loads((ROOT / FIGURES).read_text())
    text = document.read_text(encoding="utf-8")
    assert fill(text, figures, str(document), {"faults": document_table}) == (text, 1)
    assert all(kind["silent"] == kind["stopped"] == 0 for kind in figures["kinds"])
