"""``dojang compress`` and ``dojang eval``: what they write, and their sentences."""

import json
from importlib import import_module
from math import exp

import numpy as np
import pytest
from dojang import evaluation
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import amplified, write_synthetic
from dojang.cli import app
from dojang.texts import TextError, builtin_text, calibration_windows
from dojang.tokenizer import Tokenizer
from safetensors import SafetensorError
from typer.testing import CliRunner

SHAPE = ModelShape(1, 64, 2, 1, 32, 96, 300, 64, tied=True)


def run(*arguments, code=0):
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.stderr
    return result


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("model") / "m.gguf", SHAPE, "Q4_1", "Q8_0")


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("It was a bright cold day in April, and nobody wrote it down. " * 20)
    return path


@pytest.fixture(scope="module")
def compressed(model, text, tmp_path_factory):
    path = tmp_path_factory.mktemp("compressed") / "m.dojang"
    run("compress", model, path, "--recipe", 3, "--calibration", text, "--json", path.with_suffix(".json"))
    return path


def test_compress_says_what_came_of_it(compressed):
    figures = json.loads(compressed.with_suffix(".json").read_text())
    assert figures["recipe"] == "3" and figures["file_bytes"] == compressed.stat().st_size
    layers, head = figures["kinds"]["all layers"], figures["kinds"]["head"]
    assert layers["payload_bits"] >= 3 and layers["masks_bits"] == 0 and layers["forms"] == ["X3, rotated"]
    assert layers["bits"] == pytest.approx(layers["payload_bits"] + layers["scales_bits"])
    assert head["bits"] == 8.5 and head["error"] is None and 0 < layers["error"] < 0.1
    assert figures["kinds"]["all a token reads"]["bits"] == pytest.approx(evaluation.bits_per_weight(load(compressed)))


@pytest.mark.parametrize("command", ["inspect", "eval", "generate"])
def test_other_commands_read_it(compressed, text, command):
    more = {"inspect": (), "eval": ("--text", text, "--windows", 2, "--length", 16),
            "generate": ("--prompt", "ab", "--tokens", 2, "--backend", "golden")}[command]
    result = run(command, compressed, *more)
    assert command != "inspect" or "X3, rotated" in result.stdout


def test_eval_by_hand(model, text, tmp_path):
    """Against the definition, from the golden model's logits."""
    from dojang_sim.golden.model import GoldenModel

    run("eval", model, "--text", text, "--windows", 2, "--length", 16, "--json", tmp_path / "e.json")
    figures = json.loads((tmp_path / "e.json").read_text())
    checkpoint = load(model)
    ids = Tokenizer(checkpoint.tokenizer).encode(text.read_text())
    loss = []
    for start in (0, 16):
        window = ids[start:start + 16]
        logits = GoldenModel(checkpoint, 16).forward(window, 0).astype(float)
        for at in range(15):
            loss.append(np.log(np.exp(logits[at]).sum()) - logits[at, window[at + 1]])
    found = figures["texts"][str(text)]
    assert found["tokens"] == 30 and found["perplexity"] == pytest.approx(exp(np.mean(loss)), rel=1e-9)
    assert found["kl"] is None and figures["numerics"] == "golden"
    run("eval", model, "--text", text, "--windows", 2, "--length", 16, "--numerics", "fast", "--json",
        tmp_path / "fast.json")
    fast = json.loads((tmp_path / "fast.json").read_text())
    assert fast["texts"] == figures["texts"] and fast["numerics"] == "fast"
    matrices = list(checkpoint.matrices())
    assert figures["bits_per_weight"] == pytest.approx(
        8 * sum(m.stored_bytes for _, m in matrices) / sum(m.rows * m.cols for _, m in matrices))


def test_eval_against(model, compressed, text, tmp_path):
    def figures(first, second):
        run("eval", first, "--against", second, "--text", text, "--windows", 2, "--length", 16, "--numerics", "float",
            "--json", tmp_path / "e.json")
        return json.loads((tmp_path / "e.json").read_text())["texts"][str(text)]

    same, other = figures(model, model), figures(compressed, model)
    assert same["kl"] == 0 and same["top1"] == 1 and same["perplexity"] == same["against_perplexity"]
    assert other["kl"] > 1e-4 and other["top1"] <= 1 and other["against_perplexity"] == same["perplexity"]


def test_divergence_by_hand():
    a = np.log(np.array([[0.5, 0.25, 0.25], [0, 0, 1]]) + 1e-30)
    b = np.log(np.array([[0.25, 0.5, 0.25], [0, 0, 1]]) + 1e-30)
    found = evaluation.evaluate(lambda ids: a, [np.array([0, 1])], lambda ids: b)
    assert found.kl == pytest.approx(0.25 * np.log(0.5) + 0.5 * np.log(2)) and found.top1 == 0 and found.tokens == 1
    assert found.perplexity == pytest.approx(4) and found.other_perplexity == pytest.approx(2)


def test_options_reach_the_file(model, text, tmp_path):
    out = tmp_path / "m.dojang"
    run("compress", model, out, "--bits", 5, "--group", 32, "--no-rotate", "--method", "rtn", "--keep", "attn_k",
        "--tensor", "attn_v:bits=x4,group=64,method=trellis,rotate=yes", "--calibration", text, "--threads", 1)
    layer = load(out).layers[0]
    assert str(layer.matrix("attn_q").form) == "5 bits, groups of 32" and layer.matrix("attn_k").source == "Q4_1"
    assert str(layer.matrix("attn_v").form) == "X4, groups of 64, rotated"


@pytest.mark.parametrize("arguments, message", [
    ((), "give --recipe or --bits"), (("--recipe", 3, "--bits", 4), "--recipe 3 already says what --bits does"),
    (("--recipe", 3, "--no-rotate"), "--recipe 3 already says what --no-rotate does"),
    (("--recipe", 5), "--recipe '5'"), (("--bits", "x5"), "bits is 'x5', expected 1 to 8, x2"),
    (("--bits", 4, "--group", 48), "group is '48', expected row, 32"),
    (("--bits", 4, "--group", 32), "groups of 32 columns cannot be rotated"),
    (("--bits", "x3", "--method", "gptq"), "which method gptq cannot make"),
    (("--bits", 4, "--sparsity", 0.5), "prune is not set"), (("--bits", 4, "--prune", "wanda"), "sparsity is 0"),
    (("--bits", 4, "--tensor", "attn_v"), "'attn_v' is no rule"),
    (("--bits", 4, "--tensor", "attn_v:group=32"), "tensor blk.0.attn_v.weight: groups of 32"),
    (("--bits", 4, "--calibration", "/none"), "the text /none cannot be read")])
def test_bad_options_are_one_sentence(model, text, tmp_path, arguments, message):
    calibration = () if "--calibration" in arguments else ("--calibration", text)
    result = run("compress", model, tmp_path / "m.dojang", *arguments, *calibration, code=2)
    sentence = result.stderr.splitlines()[-1]
    assert sentence.startswith("dojang: ") and message in sentence and "Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_source_is_not_overwritten(model, tmp_path):
    assert "it is the source" in run("compress", model, model, "--recipe", 3, code=2).stderr
    assert "it is a folder" in run("compress", model, tmp_path, "--recipe", 3, code=2).stderr


@pytest.mark.parametrize("module", ["dojang.compress.compress", "dojang.checkpoints.container.writing"])
def test_a_full_disk(model, text, tmp_path, monkeypatch, module):
    def full(*_):
        raise SafetensorError("I/O error: No space left on device")

    monkeypatch.setattr(import_module(module), "save_file", full)
    result = run("compress", model, tmp_path / "o.dojang", "--recipe", 3, "--calibration", text, code=2)
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"dojang: {tmp_path}") and last.endswith("cannot be written: I/O error: No space left on "
                                                                    "device")
    assert not (tmp_path / "o.dojang").exists()


def test_a_text_too_short(model, tmp_path):
    (tmp_path / "t").write_text("short")
    for command in (("eval", model, "--text", tmp_path / "t", "--length", 16),
                    ("compress", model, tmp_path / "o", "--bits", 4, "--calibration", tmp_path / "t")):
        assert "has 5 tokens, expected at least" in run(*command, code=2).stderr


def test_eval_tells_of_values_beyond_fp16(model, text, monkeypatch):
    monkeypatch.setattr("dojang.cli.eval.load",
                        lambda path, weights: amplified(load(path, weights), {
                            "output_norm.weight": 1e5, "token_embd.weight": 1e-4}))
    arguments = ("eval", model, "--text", text, "--windows", 1, "--length", 8)
    loud = run(*arguments)
    assert loud.stderr.count("clipped to FP16's range, first in the input of the head") == 1
    assert "clipped" not in run(*arguments, "--numerics", "float").stderr
    monkeypatch.undo()
    assert "clipped" not in run(*arguments).stderr


def test_eval_errors(model, tmp_path):
    other = write_synthetic(tmp_path / "o.gguf", ModelShape(1, 64, 2, 1, 32, 96, 290, 64, tied=True), "Q4_1")
    assert "o.gguf has other tokens than m.gguf" in run("eval", model, "--against", other, code=2).stderr
    assert "has a context of 64" in run("eval", model, "--length", 65, code=2).stderr


def test_ctrl_c_says_how_to_go_on(model, text, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dojang.cli.compress.compress", stop)
    assert "goes on from here" in run("compress", model, tmp_path / "m", "--bits", 4, "--calibration", text,
                                      code=130).stderr


def test_calibration_leaves_the_evaluation_windows_alone():
    class Bytes:
        def encode(self, text):
            return list(text.encode()[:30_000])

    found, names = calibration_windows(Bytes(), count=10)
    text = list(builtin_text("pydoc").encode()[:30_000])
    assert "pydoc" in names and found.shape == (10, 256)
    evaluated = {tuple(text[at:at + 256]) for at in range(0, 12 * 256, 256)}
    assert not evaluated & {tuple(window) for window in found} and len({tuple(window) for window in found}) == 10


def test_lee_needs_its_package(monkeypatch):
    monkeypatch.setattr("dojang.texts.find_spec", lambda name: None)
    with pytest.raises(TextError, match="pip install --no-deps gensim"):
        builtin_text("lee")
