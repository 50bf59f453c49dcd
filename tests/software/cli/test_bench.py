"""``dojang bench decode``, ``dojang bench prefill`` and ``dojang waves`` on a session that needs no simulator."""

import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.sessions import Session, Step
from typer.testing import CliRunner

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)


class FakeSession(Session):
    """Position p takes 1000 + p cycles and 10 p bytes; the best token is 7."""

    image = SimpleNamespace(contexts=4)

    def __init__(self, context):
        super().__init__(context, self.image.contexts)
        self.tokens, self.closed, self.first = [], False, None

    def _pass(self, parts):
        return [[self._step(token) for token in part.tokens] for part in parts]

    def jump(self, position):
        assert not self.tokens
        self.first = position

    def _step(self, token):
        position = len(self.tokens)
        self.tokens.append(token)
        return Step((np.array([7, 3]), np.array([2.0, 1.0], np.float32)), None, 1000 + position, 10 * position)

    def summary(self):
        return {"dram_utilization": 0.875, "engine_utilization": 0.75, "simulated_hz": 250_000.0,
                "memory_commands": [{"reads": 5}], "memory_guard": [{"corrected": 2}]}

    def close(self):
        self.closed = True


@pytest.fixture
def model(tmp_path):
    return str(write_synthetic(tmp_path / "small.gguf", SHAPE, "Q4_1"))


@pytest.fixture
def opened(monkeypatch):
    """What was asked of `open_session` or `open_simulated`, and the sessions they gave."""
    calls = []

    def open_simulated(checkpoint, config, context, memory, **options):
        return open_session(checkpoint, config, context=context, memory=memory, **options)

    def open_session(checkpoint, config, **options):
        session = FakeSession(min(options["context"], checkpoint.shape.context))
        if "waves" in options:
            options["waves"].file.write_text("$scope module TOP $end\n$upscope $end\n$enddefinitions $end\n#16\n")
        options["progress"]("building the simulated chip")
        calls.append((config, options, session))
        return session

    for command in ("bench", "bench_prefill"):
        monkeypatch.setattr(import_module(f"dojang.cli.{command}"), "open_simulated", open_simulated)
    monkeypatch.setattr(import_module("dojang.cli.waves"), "open_session", open_session)
    return calls


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_bench_decode(model, opened, tmp_path):
    file = tmp_path / "b" / "f.json"
    result = run("bench", "decode", "--model", model, "--chip", "sim-1x1", "--tokens", 3, "--memory", "lpddr4",
                 "--position", 16, "--json", file)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(file.read_text())
    assert figures.pop("wall_seconds") > 0
    assert figures == {
        "model": "small.gguf", "chip": "sim-1x1", "memory": "lpddr4", "position": 16, "tokens": 3,
        "cycles_per_token": 1001, "dram_bytes_per_token": 10, "decode_cycles": [1000, 1001, 1002],
        "dram_peak_bytes_per_cycle": 16,
        "dram_utilization": 0.875, "engine_utilization": 0.75, "simulated_hz": 250_000.0,
        "memory_commands": [{"reads": 5}], "memory_guard": [{"corrected": 2}]}
    for text in ("1,001", "87.5% of 16 bytes a cycle", "75.0%", "250,000"):
        assert text in result.stdout
    (config, options, session), = opened
    assert options["memory"] == "lpddr4" and session.first == 16
    assert config.name == "sim-1x1" and session.tokens[1:] == [7, 7] and session.closed


def test_bench_ignores_end_tokens_and_defaults_to_two(model, opened):
    assert run("bench", "decode", "--model", model).exit_code == 0
    (config, options, session), = opened
    assert config.name == "sim-2x2" and options["memory"] == "lpddr4" and len(session.tokens) == 2


class Passes(FakeSession):
    """A pass at position p takes 1000 + p² cycles; the last token of it has them."""

    def __init__(self, context):
        super().__init__(context)
        self.passes, self.position = [], 0

    def jump(self, position):
        self.position = position

    def _pass(self, parts):
        count, = (len(part.tokens) for part in parts)
        self.passes.append((self.position, count))
        return [[Step(None, None, (1000 + self.position**2) * (token == count - 1), 0) for token in range(count)]]

    def prefill_utilization(self):
        return {"dram_utilization": 0.5, "engine_utilization": 0.25}


def test_bench_prefill(model, opened, monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "FakeSession", Passes)
    file = tmp_path / "f.json"
    result = run("bench", "prefill", "--model", model, "--chip", "sim-2x2", "--tokens", 18, "--json", file)
    assert result.exit_code == 0, result.stderr
    figures = json.loads(file.read_text())
    starts = [0, 4, 8, 12, 16]
    assert opened[0][2].passes == [(0, 4), (4, 4), (8, 4), (12, 4), (16, 2)]
    assert figures["simulated_positions"] == starts and figures["passes"] == 5 and figures["engine_bound"] == 0.5
    assert figures["cycles_per_token"] == sum(1000 + start**2 for start in starts) / 18
    for text in ("18, 4 a pass", "25.0%", "50.0%", "50%"):
        assert text in result.stdout
    assert "simulated," not in result.stdout


def test_passes_left_out_are_interpolated(model, opened, monkeypatch, tmp_path):
    monkeypatch.setitem(globals(), "FakeSession", Passes)
    file = tmp_path / "f.json"
    result = run("bench", "prefill", "--model", model, "--tokens", 20, "--passes", 3, "--json", file)
    assert result.exit_code == 0 and "5, 3 of them simulated" in result.stdout
    figures = json.loads(file.read_text())
    assert figures["simulated_positions"] == [0, 8, 16] and figures["simulated_cycles"] == [1000, 1064, 1256]
    assert figures["cycles_per_token"] == (1000 + 1032 + 1064 + 1160 + 1256) / 20


def test_waves_runs_until_enough_cycles(model, opened, tmp_path):
    result = run("waves", model, "--chip", "sim-1x1", "--cycles", 2500, "--out", tmp_path / "w w")
    assert result.exit_code == 0, result.stderr
    file = tmp_path / "w w" / "small-sim-1x1.vcd"
    assert result.stdout == f"(cd '{file.parent}' && gtkwave small-sim-1x1.gtkw)\n"
    assert file.with_suffix(".gtkw").exists()
    (_, options, session), = opened
    assert (options["waves"].file, options["waves"].cycles) == (file, 2500)
    assert len(session.tokens) == 3 and session.closed


def test_waves_stops_at_the_end_of_the_context(model, opened, tmp_path):
    assert run("waves", model, "--cycles", 10 ** 6, "--out", tmp_path).exit_code == 0
    assert len(opened[0][2].tokens) == SHAPE.context


@pytest.mark.parametrize("arguments, message", [
    (("bench", "decode", "--chip", "huge"), "unknown chip preset 'huge'"),
    (("bench", "decode", "--model", "/none.gguf"), "model file /none.gguf does not exist"),
    (("bench", "decode", "--model", "{model}", "--tokens", "25"), "25 tokens from position 0 on are more"),
    (("bench", "decode", "--model", "{model}", "--position", "23"), "2 tokens from position 23 on are more"),
    (("bench", "decode", "--json", "/"), "cannot write /"),
    (("bench", "prefill", "--model", "{model}", "--tokens", "25"), "a prompt of 25 tokens is longer than the context"),
    (("waves", "{model}", "--out", "/dev/null"), "cannot write /dev/null/"),
])
def test_errors(model, arguments, message):
    result = run(*(argument.format(model=model) for argument in arguments))
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith(f"dojang: {message}") and result.stderr.count("\n") == 1


def test_ctrl_c(model, opened, monkeypatch):
    def interrupted(self, token):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeSession, "decode", interrupted)
    result = run("bench", "decode", "--model", model)
    assert result.exit_code == 130 and result.stderr == "stopped by Ctrl-C\n" and opened[0][2].closed
