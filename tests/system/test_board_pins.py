"""A model on boards, simulated at the pins of their FPGAs: the driver and commands are those of a real board."""

import json
import subprocess
import sys

import pytest
from dojang.checkpoints import load
from dojang.cli import app
from dojang.cli.bench_board import CONTEXT, preload
from dojang.compile import compile_model
from dojang_fpga.boards import board
from dojang_sim.board.boards import BoardSimulation
from typer.testing import CliRunner

DOJANG = [sys.executable, "-c", "from dojang.cli import app; app()"]

LEAST_UTILIZATION = {"ecpix5": 0.86, "ulx3s": 0.885}
"""Of the peak of the memory's pins, while decoding glassllm, by the chip's counters; 0.871 and 0.902 are reached, and
where refreshes fall moves them by some thousandths."""

TOKENS, FEW = 8, 2


def bench(tmp_path, name: str, *options: str, tokens: int = TOKENS) -> dict:
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(app, ["bench", "board", name, "--tokens", str(tokens), "--json", str(file), *options])
    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    assert figures["golden_match"] is True and figures["tokens"] == tokens
    assert figures["dram_utilization"] >= LEAST_UTILIZATION[name]
    assert figures["bad_stop_bits"] == 0
    assert not {"memory_error", "link_error", "running"} & set(figures["leds"])
    return figures


@pytest.mark.parametrize("name, tokens", [  # every day the other board is on a serial port, below
    ("ulx3s", 3), *(pytest.param(name, TOKENS, marks=pytest.mark.slow) for name in LEAST_UTILIZATION)])
def test_decoding(name, tokens, tmp_path):
    """The upload resumes: only the end of the model goes over the UART. Each token is a long answer over the UART."""
    figures = bench(tmp_path, name, tokens=tokens)
    assert 8192 <= figures["upload"]["sent"] <= 16_384 < 1_000_000 < figures["upload"]["total"]
    assert figures["uart_bytes_to_chip"] < 80_000 and figures["upload_checked"] is True


@pytest.mark.slow  # 1.8 MB, bit by bit
def test_the_whole_model_goes_over_the_uart(tmp_path):
    figures = bench(tmp_path, "ecpix5", "--whole-upload")
    assert figures["upload"]["sent"] > 1_000_000 and figures["uart_bytes_to_chip"] > figures["upload"]["sent"]


@pytest.mark.slow  # beside the shorter upload
def test_a_model_that_is_believed_to_be_in_the_memory(tmp_path):
    figures = bench(tmp_path, "ecpix5", "--no-upload")
    assert figures["upload"]["sent"] == 0 and figures["upload_checked"] is False


def test_an_upload_of_all_and_of_nothing():
    result = CliRunner().invoke(app, ["bench", "board", "ecpix5", "--whole-upload", "--no-upload"])
    assert result.exit_code != 0 and "expected one of them" in result.output and "Traceback" not in result.output


def test_generate_on_a_serial_port(tmp_path):
    """The command as a user gives it, with a longer patience; the text is the golden model's, and each logit."""
    target = board("ecpix5")
    image = compile_model(load("glassllm"), target.chip(), CONTEXT)
    asked = ["glassllm", "--prompt", "Once upon", "--tokens", str(FEW)]
    files = tmp_path / "board.json", tmp_path / "golden.json"
    with BoardSimulation(target, target.chip()) as simulation:
        preload(image, simulation.memory)
        command = [*DOJANG, "generate", *asked, "--board", simulation.port, "--compare-golden",
                   "--link-timeout", "120", "--json", files[0]]
        result = subprocess.run(command, capture_output=True, text=True, timeout=900)
        assert result.returncode == 0, result.stderr
    result = subprocess.run([*DOJANG, "generate", *asked, "--backend", "golden", "--json", files[1]],
                            capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr
    got, expected = (json.loads(file.read_text()) for file in files)
    assert got["tokens"] == expected["tokens"] and got["text"] == expected["text"]
    assert got["golden_match"] is True and len(got["tokens"]) == FEW
