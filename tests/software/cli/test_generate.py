"""``dojang generate`` with the golden back end: text, JSON, sampling, ends, Ctrl-C, and every error's sentence."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from dojang.checkpoints import ModelShape, ScaleSet, load, load_scale_set, write_scale_set
from dojang.checkpoints.synthetic import random_set, write_synthetic
from dojang.cli import app, opening
from dojang.sessions.golden import GoldenSession
from dojang_hdl.config import PRESETS
from typer.testing import CliRunner

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)
JSON_FIELDS = {"model", "set", "chip", "backend", "context", "stop", "prompt_tokens", "tokens", "text", "ended",
               "end_token", "turns", "cycles", "prefill_cycles", "decode_cycles", "dram_bytes", "dram_utilization",
               "engine_utilization", "golden_match", "wall_seconds", "simulated_hz", "saturated"}

DOJANG = [sys.executable, "-m", "dojang.main"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_synthetic(tmp_path_factory.mktemp("cli") / "small.gguf", SHAPE, "Q4_1"))


def run(*arguments):
    return CliRunner().invoke(app, ["generate", *map(str, arguments)])


def generated(model, tmp_path, *arguments, code=0):
    result = run(model, "--backend", "golden", "--json", tmp_path / "deep" / "s.json", *arguments)
    assert result.exit_code == code, result.stderr
    return result, json.loads((tmp_path / "deep" / "s.json").read_text())


def test_text_and_json(model, tmp_path):
    result, summary = generated(model, tmp_path, "--prompt", "abc", "--tokens", 6)
    assert set(summary) == JSON_FIELDS
    assert result.stdout == summary["text"] + "\n"
    assert (summary["model"], summary["chip"], summary["backend"]) == ("small.gguf", "sim-2x2", "golden")
    assert summary["prompt_tokens"] == [97, 98, 99] and len(summary["tokens"]) == 6
    assert len(summary["decode_cycles"]) == len(summary["dram_bytes"]) == 6
    assert summary["golden_match"] is None and summary["wall_seconds"] > 0
    assert "tokens: prompt + generated" in result.stderr


def test_a_scale_set_changes_the_text(model, tmp_path):
    def summary(*options):
        return generated(model, tmp_path, "--prompt", "abc", "--tokens", 12, *options)[1]

    checkpoint = load(model)
    for seed in (1, 2):
        write_scale_set(tmp_path / f"{seed}.set", random_set(checkpoint, f"set {seed}", seed))
    own, first, second = (summary(*options) for options in (
        (), ("--set", tmp_path / "1.set"), ("--set", tmp_path / "2.set")))
    assert [item["set"] for item in (own, first, second)] == [None, "set 1", "set 2"]
    assert own["tokens"] != first["tokens"] != second["tokens"] != own["tokens"]
    session = GoldenSession(checkpoint.with_set(load_scale_set(tmp_path / "1.set")), 24)
    session.prefill([97, 98])
    assert int(session.decode(99).candidates[0][0]) == first["tokens"][0]


def test_greedy_is_deterministic_and_a_seed_is(model, tmp_path):
    def tokens(*options):
        return generated(model, tmp_path, "--prompt", "abc", "--tokens", 12, *options)[1]["tokens"]

    assert tokens() == tokens("--temperature", 0) == tokens("--temperature", 5, "--top-p", 0.01)
    assert tokens("--temperature", 5, "--seed", 1) == tokens("--temperature", 5, "--seed", 1)
    assert tokens("--temperature", 5, "--seed", 1) != tokens("--temperature", 5, "--seed", 2)


def test_generation_stops_when_the_context_is_full(model, tmp_path):
    result, summary = generated(model, tmp_path, "--prompt", "x" * 20, "--tokens", 10**12)
    assert (len(summary["tokens"]), summary["ended"], summary["context"]) == (5, "context", 24)
    assert "the text ends because the context is full, 24 positions" in result.stderr


def test_fewer_positions_may_be_reserved(model, tmp_path):
    _, summary = generated(model, tmp_path, "--prompt", "x" * 5, "--tokens", 100, "--context", 8)
    assert (len(summary["tokens"]), summary["ended"], summary["context"]) == (4, "context", 8)


def test_why_it_ended_is_told(chained, tmp_path):
    """The model answers x with: é 한 z, end."""
    def run(*options):
        result, summary = generated(chained, tmp_path, "--prompt", "x", *options)
        return result.stdout, summary["text"], summary["ended"], summary["end_token"], len(summary["tokens"])

    assert run() == ("é한z\n", "é한z", "end token", 256, 6)
    assert run("--tokens", 5) == ("é한\n", "é한", "tokens", None, 5)
    assert run("--tokens", 4) == ("é\ufffd\n", "é\ufffd", "tokens", None, 4)
    assert run("--stop", "q", "--stop", "한z") == ("é\n", "é", "stop text", None, 6)
    assert run("--stop", "한") == ("é\n", "é", "stop text", None, 5)
    result, _ = generated(chained, tmp_path, "--prompt", "x")
    assert "end token 256 (<|im_end|>)" in result.stderr


def test_prompts_from_files_and_pipes(model, tmp_path):
    def ids(data, *options):
        (tmp_path / "p.txt").write_bytes(data)
        return generated(model, tmp_path, "--tokens", 1, "--prompt-file", tmp_path / "p.txt")[1]["prompt_tokens"]

    assert ids(b"abc") == ids(b"abc\n") == ids(b"abc\r\n") == ids(b"\xef\xbb\xbfabc") == [97, 98, 99]
    assert ids(b"a\n\n") == [97, 10] and ids(b"a\0b") == [97, 0, 98]
    assert ids(b"x\xff") == [120, *"\ufffd".encode()] == ids("x\ufffd".encode())
    result = subprocess.run([*DOJANG, "generate", model, "--backend", "golden", "--prompt-file", "-", "--tokens", "1",
                             "--json", tmp_path / "s.json"], input=b"abc\n", capture_output=True, timeout=60)
    assert result.returncode == 0
    assert json.loads((tmp_path / "s.json").read_text())["prompt_tokens"] == [97, 98, 99]


def test_arguments_that_are_not_utf_8(model, tmp_path):
    name = os.fsencode(tmp_path) + b"/m\xff.gguf"
    shutil.copy(model, name)
    result = subprocess.run([*DOJANG, "generate", name, "--backend", "golden", "--prompt", b"x\xff", "--tokens", "1",
                             "--json", tmp_path / "s.json"], capture_output=True, timeout=60)
    assert result.returncode == 0 and b"m\\xff.gguf on sim-2x2" in result.stderr
    assert json.loads((tmp_path / "s.json").read_text())["prompt_tokens"] == [120, *"\ufffd".encode()]


def test_several_messages_are_answered_one_after_the_other(talking, tmp_path):
    result, summary = generated(talking, tmp_path, "--chat", "ab", "--chat", "c", "--system", "s", "--tokens", 3)
    first, second = summary["turns"]
    assert result.stdout == first["text"] + "\n\n" + second["text"] + "\n"
    assert bytes(first["prompt_tokens"]) == b"system:s|user:ab|assistant:"
    assert bytes(second["prompt_tokens"]).startswith(b"system:s|user:ab|assistant:")
    assert bytes(second["prompt_tokens"]).endswith(b"|user:c|assistant:")
    assert {key: summary[key] for key in second} == second and len(first["tokens"]) == 3
    alone = generated(talking, tmp_path, "--prompt", bytes(second["prompt_tokens"]).decode(), "--tokens", 3)[1]
    assert alone["tokens"] == second["tokens"]  # though most of the prompt was in the cache


def test_a_message_that_does_not_fit_leaves_the_answers_before_it(talking, tmp_path):
    result, summary = generated(talking, tmp_path, "--chat", "ab", "--chat", "c" * 40, "--tokens", 3, "--context", 40,
                                code=2)
    assert "longer than the context of 40" in result.stderr
    assert [bytes(turn["prompt_tokens"]) for turn in summary["turns"]] == [b"user:ab|assistant:"]
    assert result.stdout == summary["text"] + "\n"


def test_quantised_matrices_are_announced(tmp_path):
    path = write_synthetic(tmp_path / "f.gguf", SHAPE, "F16")
    result, _ = generated(str(path), tmp_path, "--prompt", "abc", "--tokens", 1, "--weights", 4)
    assert "f.gguf: attn_q quantised from F16 to 4 bits" in result.stderr
    assert "quantised" not in result.stdout


def test_glassllm_continues_a_text(tmp_path):
    _, summary = generated("glassllm", tmp_path, "--prompt", "Once upon a time", "--tokens", 8)
    assert len(summary["tokens"]) == 8 and summary["text"].strip()


def test_ctrl_c_keeps_the_text_so_far(model, tmp_path, monkeypatch):
    steps = iter(range(100))
    decode = GoldenSession.decode

    def interrupted(self, token):
        if next(steps) == 3:
            raise KeyboardInterrupt
        return decode(self, token)

    monkeypatch.setattr(GoldenSession, "decode", interrupted)
    result = run(model, "--backend", "golden", "--prompt", "abc", "--json", tmp_path / "s.json")
    summary = json.loads((tmp_path / "s.json").read_text())
    assert result.exit_code == 130 and len(summary["tokens"]) == 3 and summary["ended"] == "interrupt"
    assert result.stdout == summary["text"] + "\n" and "stopped by Ctrl-C" in result.stderr


@pytest.mark.parametrize("arguments", [
    ("/none.gguf", "--prompt", "a"), ("{model}", "--chat", "a"), ("{model}", "--prompt", ""), ("{model}",),
    ("{model}", "--prompt", "a", "--chip", "huge"), ("{model}", "--prompt", "a", "--prompt-file", "/none")])
def test_a_run_that_fails_leaves_no_json(model, tmp_path, arguments):
    """Neither an empty one nor that of an earlier run."""
    for earlier in (False, True):
        if earlier:
            (tmp_path / "s.json").write_text("{}")
        result = run(*(argument.format(model=model) for argument in arguments), "--backend", "golden",
                     "--json", tmp_path / "s.json")
        assert result.exit_code == 2 and list(tmp_path.iterdir()) == []


def test_ctrl_c_before_anything_was_generated_leaves_no_json(model, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "open_session", interrupted)
    result = run(model, "--backend", "golden", "--prompt", "abc", "--json", tmp_path / "s.json")
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (130, "", [])


def test_real_ctrl_c_has_no_traceback(tmp_path):
    path = write_synthetic(tmp_path / "slow.gguf", ModelShape(2, 256, 4, 2, 64, 512, 258, 16384), "Q8_0")
    process = subprocess.Popen([*DOJANG, "generate", path, "--backend", "golden", "--prompt", "a", "--tokens", "16000"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.read(1)  # text has begun to come
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in error and b"stopped by Ctrl-C" in error


ERRORS = [
    (["{model}", "--backend", "golden"], "give one of --prompt, --prompt-file and --chat"),
    (["{model}", "--prompt", "a", "--chat", "b"], "give one of --prompt, --prompt-file and --chat"),
    (["{model}", "--prompt", "", "--backend", "golden"], "the prompt is empty"),
    (["{model}", "--prompt", "a" * 25, "--backend", "golden"],
     "the prompt has 25 tokens, longer than the context of 24"),
    (["{model}", "--prompt", "a", "--chip", "huge"],
     "unknown chip preset 'huge', expected one of " + ", ".join(PRESETS)),
    (["{model}", "--chat", "a", "--backend", "golden"], "the model has no chat template, give it a plain prompt"),
    (["{model}", "--prompt", "a", "--backend", "golden", "--waves", "w.vcd"], "--waves needs the rtl back end"),
    (["{model}", "--prompt", "a", "--json", "/"], "cannot write /: Is a directory"),
    (["{model}", "--prompt", "a", "--prompt-file", "b"], "give one of --prompt, --prompt-file and --chat"),
    (["{model}", "--prompt", "a", "--system", "b"], "--system and --raw need --chat"),
    (["{model}", "--prompt", "a", "--raw"], "--system and --raw need --chat"),
    (["{model}", "--prompt", "a", "--stop", ""], "--stop '' is empty, expected a text"),
    (["{model}", "--prompt", "a", "--context", "25", "--backend", "golden"],
     "--context 25 is more than the model's context of 24"),
    (["{model}", "--prompt", "abc", "--context", "2", "--backend", "golden"],
     "the prompt has 3 tokens, longer than the context of 2"),
    (["{model}", "--prompt-file", "/none.txt"], "cannot read /none.txt: No such file or directory"),
    (["{model}", "--prompt-file", "/"], "cannot read /: Is a directory"),
    (["{model}", "--prompt-file", "/dev/zero"], "/dev/zero has more than 64 MiB, too long for a prompt"),
    (["{model}", "--prompt-file", "{utf16}"], "{utf16} is UTF-16, expected UTF-8"),
    (["{model}", "--prompt", "a", "--json", "{model}"], "cannot write {model}: it is what is read"),
    (["{model}", "--prompt", "a", "--temperature", "-1"], "temperature=-1.0, expected 0 or more"),
    (["{model}", "--prompt", "a", "--top-p", "0"], "top_p=0.0, expected more than 0 and at most 1"),
    (["/none.gguf", "--prompt", "a"], "model file /none.gguf does not exist"),
    (["{text}", "--prompt", "a"], "{text} is not a GGUF file"),
    (["{model}", "--prompt", "a", "--set", "/none.set"],
     "there is no file /none.set, and small.gguf has no scale set of that name, none at all"),
    (["{model}", "--prompt", "a", "--set", "{other}"],
     "scale set 'other' is not of small.gguf: its blk.0.ffn_down.weight has size (64, 4) and type float16, expected "
     "(64, 3) and float16"),
    (["{cut}", "--prompt", "a"], "{cut} is truncated or corrupt: it ends before its contents do"),
]


@pytest.fixture(scope="module")
def places(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.gguf").write_text("once upon a time")
    (folder / "utf16.txt").write_text("once", "utf-16")
    with open(model, "rb") as file:
        (folder / "cut.gguf").write_bytes(file.read()[:2_000])
    write_scale_set(folder / "other.set", ScaleSet("other", {"blk.0.ffn_down.weight": np.ones((64, 4), np.float16)}))
    return {"model": model, "text": folder / "text.gguf", "cut": folder / "cut.gguf", "utf16": folder / "utf16.txt",
            "other": folder / "other.set"}


@pytest.mark.parametrize("arguments, message", ERRORS, ids=[message[:30] for _, message in ERRORS])
def test_one_sentence_and_exit_code_2(places, arguments, message):
    result = run(*(argument.format(**places) for argument in arguments))
    assert result.exit_code == 2 and result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert lines == [f"dojang: {message.format(**places)}"]


def test_no_traceback_in_a_real_process():
    result = subprocess.run([*DOJANG, "generate", "/none.gguf", "--prompt", "a"], capture_output=True, text=True,
                            timeout=60)
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == "dojang: model file /none.gguf does not exist\n"
