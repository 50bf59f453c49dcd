"""``dojang bench lpddr4`` with the simulation replaced: figures, tables, messages."""

import json
from pathlib import Path

import pytest
from dojang.cli import app
from dojang.cli.bench_lpddr4 import DOCUMENT, FIGURES, Case, document_table
from dojang_fpga.table import fill
from dojang_sim.lpddr4 import traffic
from dojang_sim.lpddr4.traffic import PATTERNS, TrafficError, TrafficResult
from typer.testing import CliRunner

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in an empty folder; every case moves `words` words in 1000 cycles, or ends with `error`."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments, words=990, error=None):
        def run_traffic(executable, pattern, *, words: int, commands: int, warmup: int):
            if error:
                raise TrafficError(error)
            call.runs.append((executable, pattern, words, commands, warmup))
            return result

        result = TrafficResult(10, 1000, words - 90, 90, 5, 2000, 1990, {"activations": 7}, ports=[])
        call.runs = []
        monkeypatch.setattr(traffic, "build_lpddr4_traffic", lambda config, on_build: config)
        monkeypatch.setattr(traffic, "run_traffic", run_traffic)
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["bench", "lpddr4", *arguments])

    return call


def test_names_are_the_patterns():
    assert [case.value for case in Case] == list(PATTERNS)


def test_all_cases_at_both_rates(run, tmp_path):
    (tmp_path / DOCUMENT).parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("<!-- lpddr4:begin -->\n<!-- lpddr4:end -->\n")
    result = run("--json", str(FIGURES[1]))
    assert result.exit_code == 0, result.stderr
    assert [(config.rate, pattern) for config, pattern, *_ in run.runs] == \
        [(rate, [pattern]) for rate in (3200, 1600) for pattern in PATTERNS.values()]
    assert result.stdout.count("99.0") == 2 * len(PATTERNS) and "95.5" in result.stdout
    figures = json.loads((tmp_path / FIGURES[1]).read_text())
    assert figures.pop("wall_seconds") > 0
    assert figures["rates"].keys() == {"3200", "1600"} and figures["size"] == 8 << 20
    assert figures["rates"]["1600"]["kv-10"] == {
        "description": "weights in 4 KiB, 10 % KV in 128 B", "floor": 95.5, "percent_of_peak": 99.0, "commands": 10,
        "cycles": 1000, "words_read": 900, "words_written": 90, "startup_cycles": 5, "all_cycles": 2000,
        "all_words_read": 1990, "counters": {"activations": 7}, "wrong_words": 0, "all_counters": {},
        "ports": []}
    assert "| sequential reads | 98.0 | 99.0 | 99.0 |" in (tmp_path / DOCUMENT).read_text().splitlines()


def test_options_reach_the_simulation(run):
    assert run("chunks-128", "--rate", "533", "--density", "16", "--size", "1").exit_code == 0
    (config, pattern, words, commands, warmup), = run.runs
    assert (config.rate, config.density, words) == (533, 16, config.words)
    assert (pattern, commands, warmup) == ([PATTERNS["chunks-128"]], 8192, 819)


def test_two_ports_have_half_of_the_memory_and_of_the_traffic_each(run, tmp_path):
    (tmp_path / DOCUMENT).parent.mkdir(parents=True)
    (tmp_path / DOCUMENT).write_text("<!-- lpddr4-ports:begin -->\n<!-- lpddr4-ports:end -->\n")
    assert run("sequential", "--ports", "2", "--json", str(FIGURES[2]), words=1980).exit_code == 0
    (config, pattern, words, commands, _), = run.runs
    assert (config.rate, config.ratio, config.ports, words) == (3200, 8, 2, config.words // 2)
    assert (pattern, commands) == ([PATTERNS["sequential"]] * 2, 2048)
    assert "| sequential reads | 98.0 | 99.0 |" in (tmp_path / DOCUMENT).read_text().splitlines()


def test_low_cases_are_named_after_the_figures_are_written(run, tmp_path):
    result = run("sequential", "writes", "--rate", "1600", "--json", "f.json", words=979)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == \
        "dojang: below the floor: sequential at 1600 Mb/s (97.90 %, floor 98 %)"
    assert json.loads((tmp_path / "f.json").read_text())["rates"]["1600"]["writes"]["floor"] is None


@pytest.mark.parametrize("arguments, message", [
    (("--rate", "9999"), "lpddr4: rate=9999, expected 66 to 4267 Mb/s at ratio 4"),
    (("--density", "5"), "lpddr4: density=5, expected one of 4, 8, 16 Gb"),
    (("--json", "/"), "cannot write /"),
])
def test_bad_input(run, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == "" and run.runs == []
    assert result.stderr.startswith(f"dojang: {message}") and result.stderr.count("\n") == 1


def test_broken_memory(run):
    result = run("sequential", error="sequential reads: cycle 7: read word 3 is wrong")
    assert (result.exit_code, result.stderr) == (
        2, "dojang: LPDDR4-3200, sequential reads: cycle 7: read word 3 is wrong\n")


@pytest.mark.parametrize("ports, rates", [(1, ["3200", "1600"]), (2, ["3200"])])
def test_kept_figures(ports, rates):
    """They are of every case at the rates, reach the floors of today and are what the document shows."""
    figures = json.loads((ROOT / FIGURES[ports]).read_text())
    assert list(figures["rates"]) == rates
    for cases in figures["rates"].values():
        assert {name: (case["description"], case["floor"]) for name, case in cases.items()} == \
            {name: (pattern.description, pattern.floor) for name, pattern in PATTERNS.items()}
        assert {name for name, case in cases.items() if case["percent_of_peak"] < (case["floor"] or 0)} == set()
    text = (ROOT / DOCUMENT).read_text()
    assert fill(text, figures, tables={FIGURES[ports].stem: document_table}) == (text, 1)
