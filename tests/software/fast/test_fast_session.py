"""``--backend fast``: sessions and the command, as with the golden model."""

import json

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, load
from dojang.checkpoints.synthetic import random_checkpoint, random_set, write_synthetic
from dojang.cli import app
from dojang.sessions import SessionError, open_session
from dojang_hdl.config import preset
from typer.testing import CliRunner


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    shape = ModelShape(2, 64, 4, 2, 32, 96, 300, 48)
    return write_synthetic(tmp_path_factory.mktemp("fast") / "small.gguf", shape, ["Q4_0", "Q8_0", "F16"], eos=True)


def test_steps_are_those_of_the_golden_session(path):
    checkpoint, said = load(path), []
    sets = [random_set(checkpoint, "set", 1)]
    golden, fast = (open_session(checkpoint, preset("sim-2x2"), backend, sets=sets, progress=said.append)
                    for backend in ("golden", "fast"))
    assert "preparing the fast back end" in said
    with golden, fast:
        for index, tokens in ((0, [1, 2, 3]), (1, [4]), (1, list(range(20))), (0, [9])):
            steps = []
            for session in (golden, fast):
                session.use_set(index)
                steps.append(session.prefill(tokens) if len(tokens) > 1 else [session.decode(*tokens)])
            for expected, found in zip(*steps, strict=True):
                np.testing.assert_array_equal(found.logits.view(np.uint32), expected.logits.view(np.uint32))
                np.testing.assert_array_equal(found.candidates, expected.candidates)
        assert fast.summary() == golden.summary() and fast.context == golden.context == 48
        with pytest.raises(SessionError, match="scale set 2 was asked for, expected 0 to 1"):
            fast.use_set(2)


def test_rewinding_into_windows():
    """Of a model with every kind of layer."""
    kinds = (LayerKind(None, 5), LayerKind(), LayerKind(window=33))
    checkpoint = random_checkpoint(ModelShape(3, 64, 4, 2, 32, 96, 50, 64, kinds=kinds, pattern=(0, 1, 2)), sharpness=3)
    tokens = [number % 50 for number in range(60)]
    with (open_session(checkpoint, preset("sim-2x2"), "golden") as golden,
          open_session(checkpoint, preset("sim-2x2"), "fast") as fast):
        expected = [step.logits for step in golden.prefill(tokens)]
        fast.prefill([*tokens[:40], *[7] * 15])
        for position in (40, 3, 36):
            fast.rewind(position)
            found = [step.logits for step in fast.prefill(tokens[position:])]
            np.testing.assert_array_equal(found, expected[position:])


def test_generate(path, tmp_path):
    results = {}
    for backend in ("golden", "fast"):
        result = CliRunner().invoke(app, [
            "generate", str(path), "--prompt", "abc", "--tokens", "20", "--temperature", "1", "--seed", "5",
            "--backend", backend, "--json", str(tmp_path / "s.json")])
        assert result.exit_code == 0, result.stderr
        results[backend] = result.stdout, json.loads((tmp_path / "s.json").read_text())
    (text, golden), (same, fast) = results.values()
    assert text == same and len(fast["tokens"]) > 3
    differing = {name for name in golden if golden[name] != fast[name]}
    assert golden.keys() == fast.keys() and differing <= {"backend", "wall_seconds"} and fast["backend"] == "fast"


def test_waves_need_the_chip(path, tmp_path):
    result = CliRunner().invoke(app, ["generate", str(path), "--prompt", "a", "--backend", "fast", "--waves",
                                      str(tmp_path / "w.vcd")])
    assert result.exit_code == 2 and result.stderr == "dojang: --waves needs the rtl back end\n"


def test_an_unknown_back_end(path):
    with pytest.raises(SessionError, match="unknown back end 'quick', expected rtl, golden or fast"):
        open_session(load(path), preset("sim-2x2"), "quick")
