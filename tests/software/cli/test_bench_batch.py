"""``dojang bench batch``, ``capacity`` and ``rows``: sums and tables, on a session that needs no simulator."""

import json
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from dojang.allocation import WAYS, simulate
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.sessions.golden import GoldenSession
from typer.testing import CliRunner

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=128)


class Chip(GoldenSession):
    """A pass of n tokens takes 1000 + 100 n cycles; with ``wrong`` a logit of sequences beyond the second is."""

    wrong = False

    def __init__(self, checkpoint, context, rows, contexts):
        super().__init__(checkpoint, context, rows=rows)
        self.contexts, self.told, self.restarted = contexts, [], 0

    def _pass(self, parts):
        steps = super()._pass(parts)
        count = sum(len(part.tokens) for part in parts)
        self.told = [None] * count
        steps[-1][-1] = replace(steps[-1][-1], cycles=1000 + 100 * count)
        if self.wrong and len(parts) > 2:
            steps[2][0] = replace(steps[2][0], logits=np.nextafter(steps[2][0].logits, np.float32(9)))
        return steps

    def jump(self, position, sequence):
        assert position == 0

    def restart_counters(self):
        self.restarted += 1

    def summary(self):
        return {"dram_utilization": 0.5, "engine_utilization": 0.25, "simulated_hz": 1e5,
                "memory_commands": [{"reads": 25, "writes": 5, "masked_writes": 1}] * 2}


@pytest.fixture
def model(tmp_path):
    return str(write_synthetic(tmp_path / "small.gguf", SHAPE, "Q4_1"))


@pytest.fixture
def opened(monkeypatch):
    sessions = []

    def open_simulated(checkpoint, config, context, memory, rows, logits, progress):
        sessions.append(Chip(checkpoint, context, rows, config.contexts))
        return sessions[-1]

    monkeypatch.setattr(import_module("dojang.cli.bench_batch"), "open_simulated", open_simulated)
    return sessions


def run(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_batches_are_compared_with_one_sequence_and_with_sequences_alone(model, opened, tmp_path):
    file = tmp_path / "f.json"
    result = run("batch", "--model", model, "--chip", "sim-2x2", "--prompt", 2, "--tokens", 3, "--mixed",
                 "--json", file)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(file.read_text())
    assert [row["sequences"] for row in figures["batches"]] == [1, 2, 4]
    assert [row["cycles_per_pass"] for row in figures["batches"]] == [1100, 1200, 1400]
    assert all(row["equal_to_alone"] is True for row in figures["batches"])
    assert figures["batches"][2]["tokens_per_cycle_relative"] == pytest.approx(4 * 1100 / 1400)
    assert figures["batches"][0]["pins_moving"] == pytest.approx(2 * 30 * 32 / (3 * 1100 * 32))
    assert figures["position"] == 2 and opened[0].restarted == 3
    assert figures["mixed"] == {
        "decoding_sequences": 2, "prompt_tokens": 8, "passes": 4, "tokens_of_each_decoding_sequence": 4,
        "cycles_per_pass": 1400, "cycles_per_pass_without": 1200}
    assert "3.14" in result.stdout and "79%" in result.stdout and "prefill beside decode" in result.stdout


def test_a_wrong_logit_is_told(model, opened, monkeypatch):
    monkeypatch.setattr(Chip, "wrong", True)
    result = run("batch", "--model", model, "--chip", "sim-2x2", "--sequences", 2, "--sequences", 4)
    assert result.exit_code == 0 and result.stdout.count("yes") == 1 and result.stdout.count("NO") == 1


@pytest.mark.parametrize("options, message", [
    (("--sequences", "9"), "9 sequences were asked for, a pass of small.gguf on sim-2x2 takes 4"),
    (("--prompt", "200"), "202 positions were asked for, the model has 128")])
def test_what_does_not_fit_is_one_sentence(model, opened, options, message):
    result = run("batch", "--model", model, "--chip", "sim-2x2", *options)
    assert (result.exit_code, result.stderr) == (2, f"dojang: {message}\n")


def test_capacity_of_every_preset(model, tmp_path):
    file = tmp_path / "c.json"
    result = run("capacity", "--model", model, "--context", 64, "--json", file)
    assert result.exit_code == 0, result.stderr
    found = {row["chip"]: row for row in json.loads(file.read_text())["capacities"]}
    assert found["sim-2x2"]["sequences"] == 4 and found["sim-2x2"]["limits"] == ["contexts"]
    assert found["batch-32"]["sequences"] == 32 and "small-node" in found
    # Of a position: two terms of 64 codes of K and V with a scale a group of 32 codes, and one of V, with headers.
    assert 2 * (32 + 32) + 2 * 2 + 4 < found["sim-2x2"]["kv_bytes"] < 1.3 * (2 * (32 + 32) + 2 * 2 + 4)


def test_chip_tells_its_limits(model, tmp_path):
    file = tmp_path / "c.json"
    result = CliRunner().invoke(app, ["chip", "board-ulx3s", "--model", model, "--context", "100", "--json", str(file)])
    assert result.exit_code == 0 and "1, limited by contexts" in " ".join(result.stdout.split())
    figures = json.loads(file.read_text())
    assert (figures["contexts"], figures["sequences"], figures["context"]) == (1, 1, 100) and figures["sram"] > 1


def test_ways_of_giving_out_memory():
    """Ranges lose what lies between them, blocks what is not used of them; growth throws out."""
    found = {row["way"]: row for row in simulate(2048, 512, 4000, seed=1)}
    assert set(found) == set(WAYS)
    whole = {name: row for name, row in found.items() if name.endswith("asked for")}
    assert all(row["wasted"] == 0 for row in whole.values())
    ranges, small = (found[name]["running"] for name in list(WAYS)[:2])
    assert 0 < found["blocks of 512 for the length asked for"]["running"] < ranges < small
    assert found["blocks of 32 on demand"]["running"] > small and found["blocks of 32 on demand"]["wasted"] > 0


def test_rows_takes_whole_blocks():
    result = run("rows", "--longest", 100)
    assert (result.exit_code, result.stderr) == (
        2, "dojang: sequences of 100 positions were asked for, expected a multiple of 512\n")
