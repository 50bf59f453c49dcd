"""``dojang profile`` with passes made by hand in place of the simulator."""

import json

import dojang.profile
import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.profile.passes import Pass
from dojang.profile.run import Run
from typer.testing import CliRunner

from ..profile.scenes import found_channel, found_node

SHAPE = ModelShape(layers=1, d=32, heads=1, kv_heads=1, head_dim=32, ffn=32, vocab=33, context=24)


@pytest.fixture
def model(tmp_path):
    return str(write_synthetic(tmp_path / "small.gguf", SHAPE, "Q4_1"))


def run(*arguments):
    return CliRunner().invoke(app, ["profile", *(str(argument) for argument in arguments)])


def test_files_and_tables(model, tmp_path, monkeypatch):
    asked = []

    def run_profiled(*arguments):
        asked.append(arguments[1:-1])
        return Run([Pass(7, 1, 100, [found_node()], [found_channel()])], 1e5)

    monkeypatch.setattr(dojang.profile, "run_profiled", run_profiled)
    out = tmp_path / "a" / "b"
    result = run(model, "--chip", "small-node", "--memory", "ideal", "--position", 7, "--out", out)
    assert result.exit_code == 0, result.stderr
    ((config, memory, *rest),) = asked
    assert (config.name, memory, *rest) == ("small-node", "ideal", 7, 0, 1, 1, 24)
    figures = json.loads((out / "profile.json").read_text())
    assert figures["simulated"] is True and figures["model"] == "small.gguf" and figures["cycles_per_token"] == 100
    causes = figures["passes"][0]["channels"][0]["causes"]
    assert sum(causes.values()) == 100
    assert "1 token at position 7: 100 cycles, simulated" in result.stdout
    assert f"{causes['memory latency']:,} ({causes['memory latency']:.2f}%)" in result.stdout
    assert json.loads((out / "timeline.json").read_text())["traceEvents"]
    assert {file.name for file in out.iterdir()} == {"profile.json", "timeline.json", "timeline.svg", "roofline.svg"}


def test_a_random_model_for_many_sequences(tmp_path, monkeypatch):
    asked = []

    def run_profiled(checkpoint, *arguments):
        asked.append((checkpoint.name, checkpoint.shape.layers, checkpoint.shape.d, arguments[5]))
        return Run([Pass(0, 1, 100, [found_node()], [found_channel()])], 1e5)

    monkeypatch.setattr(dojang.profile, "run_profiled", run_profiled)
    result = run("wide", "--chip", "small-node", "--sequences", 32, "--memory", "ideal", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert asked == [("wide", 1, 768, 32)]


@pytest.mark.parametrize("options, message", [
    (("--layer", 1), "--layer 1 was given, expected 0 to 0"),
    (("--tokens", 0), "no token was asked for, expected at least one to prefill or to decode"),
    (("--position", 24), "position 24 was asked for, expected 23 at most"),
    (("--sequences", 2), "2 sequences were asked for, expected 1 at most, the contexts of small-node"),
    (("--memory", "lpddr4-3200"), "lpddr4-3200 was asked for, which has 2 ports, expected a memory with one"),
    (("--chip", "moon"), "unknown chip preset 'moon'")])
def test_bad_input_is_one_sentence(options, message, model, tmp_path):
    result = run(model, "--chip", "small-node", "--out", tmp_path / "out", *options)
    assert result.exit_code == 2 and message in result.stderr and "Traceback" not in result.stderr
