"""``dojang inspect`` and ``dojang chip``: the figures they print."""

import pytest
from dojang.checkpoints import LlamaShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from typer.testing import CliRunner


def run(*arguments, code=0):
    result = CliRunner(env={"COLUMNS": "160"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr
    return result


def rows(output):
    """Cells of the tables' body rows, by first cell."""
    split = ([cell.strip() for cell in line.strip("│ \n").split("│")] for line in output.splitlines() if "│" in line)
    return {cells[0]: cells[1:] for cells in split}


def test_inspect_smollm2():
    table = rows(run("inspect", "smollm2").stdout)
    assert table["heads × KV heads × size"] == ["9 × 3 × 64"] and table["context"] == ["8192"]
    assert table["Q4_1"] == ["210", "106,168,320", "66,355,200", "5.000"]
    assert table["Q8_0"] == ["1", "28,311,552", "30,081,024", "8.500"]
    assert table["weight bytes read"] == ["96,436,224"] and table["bits per weight, all-in"] == ["5.737"]
    assert table["KV bytes"] == ["24,120"]


def test_inspect_counts_imported_bits(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", LlamaShape(1, 64, 2, 1, 32, 96, 100, 32), "F16")
    output = run("inspect", path, "--weights", 4).stdout
    assert rows(output)["F16"][-1] == "4.500" and "attn_q quantised from F16 to 4 bits" in output


def test_chip():
    table = rows(run("chip", "sim-4x4").stdout)
    assert table["width"] == ["4"] and table["memory bytes"] == ["64 (4 channels)"]
    assert table["weight bits applied"][0].startswith("512 (16 nodes × 1 lanes × 32)")


def test_memory_map_of_a_model():
    output = run("chip", "sim-2x2", "--model", "glassllm", "--context", "64").stdout
    assert "memory map of glassllm, 64 positions" in output
    cells = [line.split("│")[1:-1] for line in output.splitlines() if line.count("│") == 5]
    names = [row[1].strip() for row in cells if row[0].strip() == "1"]
    assert {"rotary", "embedding", "layer0", "layer3", "head", "logits", "programs", "end"} <= set(names)
    rotary = next(row for row in cells if row[1].strip() == "rotary")
    assert int(rotary[3].replace(",", "")) == 64 * 2 * 32 * 4  # C and S of head_dim FP32 each, per position


def test_model_larger_than_memory_names_both_sizes(tmp_path):
    path = write_synthetic(tmp_path / "big.gguf", LlamaShape(1, 256, 4, 4, 64, 256, 40_000, 64), "Q8_0")
    result = run("chip", "small-node", "--model", path, code=2)
    assert "big.gguf" in result.stderr and "has 32 MiB" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, message", [
    (("chip", "nope"), "unknown chip preset 'nope'"), (("inspect", "/none"), "model file /none does not exist")])
def test_errors(arguments, message):
    result = run(*arguments, code=2)
    assert result.stdout == "" and result.stderr.startswith(f"dojang: {message}") and result.stderr.count("\n") == 1
