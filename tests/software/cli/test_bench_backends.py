"""``dojang bench backends``: figures, document, messages."""

import json
from pathlib import Path

from dojang.cli import app
from dojang.cli.bench_backends import DOCUMENT, FIGURES, document_table
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]


def run(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["bench", "backends", *map(str, arguments)])


def test_figures(tmp_path):
    result = run("--model", "glassllm", "--tokens", 3, "--json", tmp_path / "deep" / "f.json")
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / "deep" / "f.json").read_text())
    assert (figures["model"], figures["tokens"], figures["label"]) == ("glassllm", 3, "measured")
    assert figures["equal"] is True and figures["fast"]["peak_mb"] > 1 and figures["cores"] >= 1
    for name in ("golden", "fast"):
        assert all(figures[name][f"{phase}_{kind}"] > 0 for phase in ("decode", "prefill")
                   for kind in ("seconds", "cpu_seconds"))
    assert "equal bit for bit: yes" in result.stdout


def test_kept_figures_and_their_table():
    figures = json.loads((ROOT / FIGURES).read_text())
    assert figures["model"] == "smollm2" and figures["equal"] is True
    assert 1 / figures["fast"]["decode_cpu_seconds"] >= 20 and figures["fast"]["peak_mb"] < 500
    assert f"\n{document_table(figures)}\n<!-- backends:end -->" in (ROOT / DOCUMENT).read_text()


def test_more_tokens_than_the_context():
    result = run("--model", "glassllm", "--tokens", 3000)
    assert result.exit_code == 2
    assert result.stderr == "dojang: 3000 tokens after a first one are more than the context of 128\n"
