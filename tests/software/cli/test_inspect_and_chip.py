"""``dojang inspect`` and ``dojang chip``: the figures they print."""

import gguf
import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation, load
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
    assert table["family"] == ["llama"] and table["head"] == ["tied to the embedding"]
    assert table["heads × KV heads × size"] == ["9 × 3 × 64"] and table["context"] == ["8192"]
    assert table["Q4_1"] == ["210", "106,168,320", "66,355,200", "5.000"]
    assert table["Q8_0"] == ["1", "28,311,552", "30,081,024", "8.500"]
    assert table["weight bytes read"] == ["96,436,224"] and table["bits per weight, all-in"] == ["5.737"]
    assert table["KV bytes"] == ["24,120"]


def test_inspect_shows_heads_and_rotation(tmp_path):
    shape = ModelShape(1, 64, 2, 1, 64, 96, 100, 64, key_dim=48, value_dim=32, score_scale=0.25, kinds=(LayerKind(
        Rotation(dim=8, magnitude=1.5, factors_long=(2.0,) * 3 + (4.0,), original_context=32)),))
    result = run("inspect", write_synthetic(tmp_path / "m.gguf", shape, "F16"))
    table = rows(result.stdout)
    assert table["heads × KV heads × size"] == ["2 × 1 × 48, values 32"] and table["rotated elements"] == ["8"]
    assert table["rotary frequency factors"] == ["1 to 1; beyond 32 positions 2 to 4"]
    assert table["rotary magnitude"] == ["1.5"] and table["score scale"] == ["0.25"]
    assert "rotary factors for long texts are used where more than 32 positions are reserved" in " ".join(
        (result.stdout + result.stderr).split())


def test_inspect_counts_imported_bits(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 96, 100, 32), "F16")
    output = run("inspect", path, "--weights", 4).stdout
    assert rows(output)["F16"][-1] == "4.500" and "attn_q quantised from F16 to 4 bits" in output


def test_inspect_counts_weights_of_heads_that_are_padded(tmp_path):
    shape = ModelShape(1, 64, 2, 1, 96, 96, 100, 32, key_dim=80, value_dim=48)
    table = rows(run("inspect", write_synthetic(tmp_path / "m.gguf", shape, "F16")).stdout)
    weights = sum(rows * columns for rows, columns in shape.matrices().values()) + 100 * 64
    assert table["F16"][1] == f"{weights:,}"


def test_inspect_costs_are_those_of_the_decoded_matrices(tmp_path):
    shape = ModelShape(2, 96, 3, 1, 32, 160, 131, 64, tied=True)
    path = write_synthetic(tmp_path / "m.gguf", shape, ["F16", "Q4_0", "Q4_1", "Q8_0", "F32", "BF16"])
    table = rows(run("inspect", path, "--weights", 3).stdout)
    expected = {}
    for _, matrix in load(path, 3).matrices():
        count, size = expected.get(matrix.source, (0, 0))
        expected[matrix.source] = count + matrix.rows * matrix.cols, size + matrix.stored_bytes
    assert len(expected) == 6
    for source, (count, size) in expected.items():
        assert table[source][1:3] == [f"{count:,}", f"{size:,}"]


def write_header(path, architecture, fields=(), tensors=()):
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in fields:
        writer.add_key_value(key, value, gguf.GGUFValueType.get_type(value),
                             gguf.GGUFValueType.get_type(value[0]) if isinstance(value, list) else None)
    for name, data, kind in tensors:
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_inspect_shows_the_header_of_what_cannot_run(tmp_path):
    fields = [("mamba.block_count", 3), ("mamba.list", list(range(100))), ("mamba.short", [0.5, 2.0]),
              ("general.name", "a [red]name[/red] :smile: \033[31m" + "x" * 5000),
              ("tokenizer.ggml.tokens", ["a", "b"])]
    tensors = [("a", np.zeros((2, 66), np.uint8), "IQ2_XXS"), ("b", np.zeros(7, np.float32), "F32"),
               ("c", np.zeros((5, 4), np.float32), "F32")]
    result = run("inspect", write_header(tmp_path / "a[bold]b.gguf", "mamba", fields, tensors))
    table = rows(result.stdout)
    assert "a[bold]b.gguf" in result.stdout.splitlines()[0] and "\033" not in result.stdout
    assert table["general.architecture"] == ["mamba"] and table["mamba.block_count"] == ["3"]
    assert table["mamba.list"] == ["100 int32"] and table["mamba.short"] == ["0.5, 2"]
    assert table["general.name"][0].startswith(r"a [red]name[/red] :smile: \x1b[31mxxx")
    assert table["tokenizer.ggml.tokens"] == ["2 texts"] and len(result.stdout) < 6000
    assert table["IQ2_XXS"] == ["1", "512", "132"] and table["F32"] == ["2", "27", "108"]
    assert result.stderr.startswith(f"this model cannot run: {tmp_path}/a[bold]b.gguf: architecture 'mamba' is not "
                                    "supported, supported are gemma, ") and "\n" not in result.stderr[:-1]


@pytest.mark.parametrize("fields, tensors, message", [
    ([("llama.block_count", 1)], [], "has no tensors, only a header"),
    ([("llama.logit_scale", 2.0)], [("t", np.zeros(4, np.float32), "F32")], "key llama.logit_scale is 2.0, expected 1"),
    ([("general.type", "adapter")], [("t", np.zeros(4, np.float32), "F32")], "key general.type is 'adapter'")])
def test_inspect_says_why_a_llama_cannot_run(tmp_path, fields, tensors, message):
    result = run("inspect", write_header(tmp_path / "m.gguf", "llama", fields, tensors))
    assert rows(result.stdout)["general.architecture"] == ["llama"]
    assert result.stderr.startswith("this model cannot run: ") and message in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("old, new, message", [
    (b"gpt2", b"bert", "prompts cannot be encoded: tokenizer model 'bert' is not supported, expected one of gpt2"),
    (b"default", b"defgult", "prompts cannot be encoded: pre-tokenizer 'defgult' is not supported, expected one of")])
def test_inspect_says_if_prompts_cannot_be_encoded(tmp_path, old, new, message):
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 96, 100, 32), "Q8_0")
    assert run("inspect", path).stderr == ""
    path.write_bytes(path.read_bytes().replace(old, new))
    assert run("inspect", path).stderr.startswith(message)


@pytest.mark.parametrize("change, message", [
    (lambda content: content[:-200], "is truncated or corrupt: tensor"),
    (lambda content: content.replace(b"GGUF\3", b"GGUF\4"), "is of version 4 of the GGUF format, expected 2 or 3"),
    (lambda content: content.replace(b"llama.block_count", b"llama.block_mount"), "llama.block_count is missing")])
def test_inspect_of_a_damaged_file_fails(tmp_path, change, message):
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 96, 100, 32), "Q8_0")
    path.write_bytes(change(path.read_bytes()))
    result = run("inspect", path, code=2)
    assert result.stderr.startswith("dojang: ") and message in result.stderr and result.stderr.count("\n") == 1


def test_inspect_names_a_key_that_is_not_known(tmp_path):
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 96, 100, 32), "Q8_0")
    path.write_bytes(path.read_bytes().replace(b"llama.vocab_size", b"llama.[b]ab_size"))
    assert "may change the model, are ignored: llama.[b]ab_size" in run("inspect", path).stdout


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
    path = write_synthetic(tmp_path / "big.gguf", ModelShape(1, 256, 4, 4, 64, 256, 40_000, 64), "Q8_0")
    result = run("chip", "small-node", "--model", path, code=2)
    assert "big.gguf" in result.stderr and "has 32 MiB" in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments, message", [
    (("chip", "nope"), "unknown chip preset 'nope'"), (("inspect", "/none"), "model file /none does not exist")])
def test_errors(arguments, message):
    result = run(*arguments, code=2)
    assert result.stdout == "" and result.stderr.startswith(f"dojang: {message}") and result.stderr.count("\n") == 1
