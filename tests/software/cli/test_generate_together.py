"""``dojang generate`` with several prompts: answers as those alone, in order, whatever ends them."""

import json

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.sessions.golden import GoldenSession
from typer.testing import CliRunner

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)
PROMPTS = ("abc", "x", "a longer one")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_synthetic(tmp_path_factory.mktemp("cli") / "small.gguf", SHAPE, "Q4_1"))


def generated(model, folder, prompts, *options, code=0):
    """Standard output and error, and the JSON."""
    asked = [argument for prompt in prompts for argument in ("--prompt", prompt)]
    result = CliRunner().invoke(app, [
        "generate", model, "--backend", "golden", "--json", str(folder / "s.json"), *asked, *map(str, options)])
    assert result.exit_code == code, result.stderr
    return result, json.loads((folder / "s.json").read_text())


def test_answers_are_those_alone_in_fewer_passes(model, tmp_path):
    result, together = generated(model, tmp_path, PROMPTS, "--tokens", 6)
    alone = [generated(model, tmp_path, [prompt], "--tokens", 6)[1] for prompt in PROMPTS]
    assert [answer["tokens"] for answer in together["answers"]] == [each["tokens"] for each in alone]
    assert [answer["text"] for answer in together["answers"]] == [each["text"] for each in alone]
    assert result.stdout == "\n".join(
        f"[{number}] {prompt}{each['text']}" for number, (prompt, each) in enumerate(
            zip(PROMPTS, alone, strict=True), 1)) + "\n"
    assert together["passes"] == 6 and [answer["passes"] for answer in together["answers"]] == [6] * 3
    assert [answer["ended"] for answer in together["answers"]] == ["tokens"] * 3
    assert "16 + 18, 3 answers" in result.stderr and "6, of up to 64 tokens" in result.stderr


def test_answers_end_apart(chained, tmp_path):
    """The model answers x with: é 한 z, end; an answer that ended early is printed when its turn has come."""
    result, summary = generated(chained, tmp_path, ["x", "yx", "x"], "--stop", "한z")
    first, second, third = summary["answers"]
    assert (first["text"], first["ended"]) == (third["text"], third["ended"]) == ("é", "stop text")
    assert second["ended"] == "stop text" and second["text"].startswith("é")
    assert result.stdout == f"[1] x{first['text']}\n[2] yx{second['text']}\n[3] x{third['text']}\n"
    _, summary = generated(chained, tmp_path, ["x", "x"])
    assert [answer["end_token"] for answer in summary["answers"]] == [256, 256]


def test_a_seed_is_each_answers_own(model, tmp_path):
    sampled = ["--temperature", 5, "--seed", 3, "--tokens", 5]
    _, summary = generated(model, tmp_path, ["abc", "abc"], *sampled)
    first, second = (answer["tokens"] for answer in summary["answers"])
    assert first == second == generated(model, tmp_path, ["abc"], *sampled)[1]["tokens"]


def test_ctrl_c_keeps_what_there_is_of_all(model, tmp_path, monkeypatch):
    passes, step = iter(range(100)), GoldenSession.step

    def interrupted(self, work):
        if next(passes) == 2:
            raise KeyboardInterrupt
        return step(self, work)

    monkeypatch.setattr(GoldenSession, "step", interrupted)
    result, summary = generated(model, tmp_path, ["abc", "x"], code=130)
    assert [(len(answer["tokens"]), answer["ended"]) for answer in summary["answers"]] == [(2, "interrupt")] * 2
    assert "stopped by Ctrl-C" in result.stderr and result.stdout.count("[") == 2


def test_a_prompt_that_is_too_long_is_named_before_anything_is_printed(model, tmp_path):
    result = CliRunner().invoke(app, ["generate", model, "--backend", "golden", "--prompt", "a", "--prompt", "b" * 25])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "dojang: the prompt has 25 tokens, longer than the context of 24\n"
