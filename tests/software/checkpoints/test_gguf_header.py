"""Headers of GGUF files: read right whatever they hold, in linear time, and refused with a sentence where they lie."""

import os
import resource
import signal
import struct
import subprocess
import sys

import gguf
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, GGUFFile, load, open_model

KINDS = {"u8": (0, 200), "i8": (1, -3), "u16": (2, 60000), "i16": (3, -300), "u32": (4, 2**32 - 1), "i32": (5, -70000),
         "f32": (6, 0.5), "bool": (7, True), "text": (8, "한 [b]"), "u64": (10, 2**64 - 1), "i64": (11, -2**60),
         "f64": (12, 1e-300), "list": (9, (5, [1, -2, 3])), "texts": (9, (8, ["a", "", "ü"])), "none": (9, (6, [])),
         "bools": (9, (7, [True, False]))}


def refused(path, content):
    """The message about a file of these bytes: one short line."""
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as error:
        open_model(path)
    message = str(error.value)
    assert message.startswith(str(path)) and "\n" not in message and len(message) < len(str(path)) + 250
    return message


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("version", [2, 3])
def test_values_of_every_type_in_both_byte_orders(raw, tmp_path, order, version):
    fields = [raw.field(key, kind, content, order) for key, (kind, content) in KINDS.items()]
    path = tmp_path / "m.gguf"
    path.write_bytes(raw.file(fields, [raw.tensor("t", (3, 2), order=order)], 24, order=order, version=version))
    file = GGUFFile(path)
    assert {key: file.field(key) for key in KINDS} == {
        key: content[1] if kind == 9 else content for key, (kind, content) in KINDS.items()}
    assert [type(file.field(key)) for key in ("u8", "f32", "bool", "bools")] == [int, float, bool, list]
    assert file.tensors["t"].shape == (3, 2) and file.tensors["t"].type_name == "F32" and file.order == order
    assert file.field("absent", 7) == 7 and str(file.fields["texts"]) == "3 texts"
    if order == ">":
        with pytest.raises(CheckpointError, match="big-endian"):
            _ = file.tensors["t"].data


def test_fields_and_tensors_are_those_of_the_package(model):
    file, reader = GGUFFile(model), gguf.GGUFReader(model)
    assert {key: file.field(key) for key in file.fields} == {
        key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert [*file.tensors] == [tensor.name for tensor in reader.tensors]
    for tensor in reader.tensors:
        found = file.tensors[tensor.name]
        assert (found.tensor_type, found.n_bytes) == (tensor.tensor_type, tensor.n_bytes)
        assert found.shape == tuple(int(size) for size in tensor.shape)
        np.testing.assert_array_equal(found.data, tensor.data)


def test_long_lists_take_little_time_and_memory(raw, tmp_path):
    """262,144 tokens and 500,000 merges in front of 8 GB: a second and 300 MB, with the start of Python."""
    path, vocab, merges = tmp_path / "big.gguf", 1 << 18, 500_000
    fields = [raw.field("general.architecture", 8, "mamba"),
              raw.field("tokens", 9, (8, [f"t{index}" for index in range(vocab)])),
              raw.field("merges", 9, (8, [f"a {index}" for index in range(merges)])),
              raw.field("scores", 9, (6, [0.5] * vocab))]
    head = raw.file(fields, [raw.tensor("t", (1 << 20, 1 << 11))])
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + (1 << 33))
    code = ("import re, sys; from dojang.cli import app; from typer.testing import CliRunner\n"
            "result = CliRunner().invoke(app, ['inspect', sys.argv[1]]); print(result.stdout)\n"
            "peak = re.search(r'VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1]\n"  # ru_maxrss has the parent's
            "print(result.exit_code, int(peak) // 1024)")
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True).stdout
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    code, mib = lines.splitlines()[-1].split()
    assert int(code) == 0 and int(mib) < 300 and "500,000 texts" in lines and "8,589,934,592" in lines
    assert end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime < 3  # a busy machine waits longer
    assert GGUFFile(path).field("tokens")[-1] == f"t{vocab - 1}"


A = "A" * 1_000_000

HOSTILE = {
    "version 4": (lambda r: r.file(version=4), "is of version 4 of the GGUF format, expected 2 or 3"),
    "version 1": (lambda r: r.file(version=1), "is of version 1 of the GGUF format"),
    "version 0": (lambda r: r.file(version=0), "is of version 0 of the GGUF format"),
    "big version 4": (lambda r: r.file(version=4, order=">"), "is big-endian and of version 4 of the GGUF format"),
    "tensors": (lambda r: r.file(counts=(2**63, 0)), "it has 9,223,372,036,854,775,808 tensors, expected at most"),
    "keys": (lambda r: r.file(counts=(0, 2**64 - 1)), "it has 18,446,744,073,709,551,615 keys, expected at most"),
    "more keys": (lambda r: r.file([r.field("a", 4, 1)], counts=(0, 2)), "a key has 0 bytes"),
    "long key": (lambda r: r.file([r.field(A, 4, 1)]), "a key has 1,000,000 bytes, expected 1 to 65,535"),
    "key bytes": (lambda r: r.file([r.field(b"\xff", 4, 1)]), "a key is not UTF-8"),
    "key twice": (lambda r: r.file([r.field(60_000 * "B", 4, 1)] * 2), f"key {80 * 'B'}… comes twice"),
    "control": (lambda r: r.file([r.field("\33[1m\n", 4, 1)] * 2), r"key \x1b[1m\n comes twice"),
    "value type": (lambda r: r.file([r.field("k", 13, b"")]), "key k has the unknown value type 13"),
    "item type": (lambda r: r.file([r.field("k", 9, struct.pack("<IQ", 77, 1))]),
                  "key k has the unknown value type 77"),
    "nested": (lambda r: r.file([r.field("k", 9, struct.pack("<IQ", 9, 1))]), "key k is a list of lists"),
    "long text": (lambda r: r.file([r.field("k", 8, struct.pack("<Q", 2**64 - 9))]), "it ends before its contents"),
    "long list": (lambda r: r.file([r.field("k", 9, struct.pack("<IQ", 4, 2**62))]), "key k is a list of 4,611,686,"),
    "many texts": (lambda r: r.file([r.field("k", 9, struct.pack("<IQ", 8, 2**62))]), "its lists have 4,611,686,"),
    "text in list": (lambda r: r.file([r.field("k", 9, struct.pack("<IQQ", 8, 1, 2**64 - 1))]), "it ends before"),
    "architecture": (lambda r: r.file([r.field("general.architecture", 8, A)]),
                     f"general.architecture is '{79 * 'A'}…' of 1,000,000 characters, expected a name"),
    "no architecture": (lambda r: r.file([r.field("general.architecture", 4, 7)]), "is 7, expected a name"),
    "architecture bytes": (lambda r: r.file([r.field("general.architecture", 8, r.text(b"\xff"))]),
                           "key general.architecture holds text that is not UTF-8"),
    "alignment 0": (lambda r: r.file([r.field("general.alignment", 4, 0)]), "is 0, expected a power of two"),
    "alignment 48": (lambda r: r.file([r.field("general.alignment", 4, 48)]), "is 48, expected a power of two"),
    "alignment text": (lambda r: r.file([r.field("general.alignment", 8, "32")]), "is '32', expected a power of two"),
    "alignment list": (lambda r: r.file([r.field("general.alignment", 9, (4, [32]))]), "is [32], expected a power"),
    "alignment huge": (lambda r: r.file([r.field("general.alignment", 10, 2**63)], [r.tensor("t", (1,))], 64),
                       "tensor t ends at byte 9,223,372,036,854,775,812, but the file has"),
    "name": (lambda r: r.file([], [r.tensor(A, (1,))], 4), "a tensor's name has 1,000,000 bytes, expected 1 to"),
    "tensor twice": (lambda r: r.file([], [r.tensor("t", (8,)), r.tensor("t", (8,), offset=32)], 64),
                     "tensor t comes twice"),
    "dimensions": (lambda r: r.file([], [r.tensor("t", (1, 1, 1, 1, 1))], 4), "tensor t has 5 dimensions"),
    "many dimensions": (lambda r: r.file([], [r.text("t") + struct.pack("<I", 2**32 - 1)], 4), "4294967295 dim"),
    "empty": (lambda r: r.file([], [r.tensor("t", (32, 0))], 4), "tensor t has the sizes (32, 0), expected"),
    "negative": (lambda r: r.file([], [r.tensor("t", (2**64 - 1,))], 4), "tensor t has the sizes (1844674407"),
    "wrapping size": (lambda r: r.file([], [r.tensor("t", (2**32, 2**32))], 4), "tensor t has the sizes (42949672"),
    "block": (lambda r: r.file([], [r.tensor("t", (33, 2), kind=2)], 64),
              "tensor t has rows of 33, expected a multiple of 32 as its type is Q4_0"),
    "beyond": (lambda r: r.file([], [r.tensor("t", (8,), offset=64)], 64), "tensor t ends at byte "),
    "wrapping offset": (lambda r: r.file([], [r.tensor("t", (8,), offset=2**64 - 64)], 64), "tensor t ends at byte"),
    "misaligned": (lambda r: r.file([], [r.tensor("t", (8,), offset=4)], 64),
                   "tensor t begins at 4, expected a multiple of the alignment 32"),
    "overlap": (lambda r: r.file([], [r.tensor("a", (9,), offset=32), r.tensor("b", (9,))], 128),
                "tensors b and a overlap"),
    "same place": (lambda r: r.file([], [r.tensor("a", (8,)), r.tensor("b", (8,))], 128), "tensors a and b over"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_are_named(raw, tmp_path, case):
    content, expected = HOSTILE[case]
    message = refused(tmp_path / "bad.gguf", content(raw))
    assert expected in message
    assert ("version" in case) == ("corrupt" not in message) or case == "nested"


def test_an_alignment_is_kept(raw, tmp_path):
    tensors = [raw.tensor("a", (4,)), raw.tensor("b", (4,), offset=64)]
    (tmp_path / "m.gguf").write_bytes(raw.file([raw.field("general.alignment", 4, 64)], tensors, 128, alignment=64))
    file = GGUFFile(tmp_path / "m.gguf")
    assert [tensor.offset % 64 for tensor in file.tensors.values()] == [0, 0]
    wider = raw.file([raw.field("general.alignment", 4, 128)], tensors, 256, alignment=128)
    assert "begins at 64, expected a multiple of the alignment 128" in refused(tmp_path / "m.gguf", wider)


@pytest.mark.parametrize("kind, name", [(99, "unknown type 99"), (4, "unknown type 4"), (16, "IQ2_XXS")])
def test_types_are_named(raw, model, tmp_path, kind, name):
    (tmp_path / "m.gguf").write_bytes(raw.file([], [raw.tensor("t", (256,), kind)], 66))
    assert open_model(tmp_path / "m.gguf").tensors["t"].type_name == name
    content = model.read_bytes()
    entry = raw.tensor("token_embd.weight", (96, 131), 8)[:-8]
    assert content.count(entry) == 1
    (tmp_path / "m.gguf").write_bytes(content.replace(entry, raw.tensor("token_embd.weight", (96, 131), 99)[:-8]))
    with pytest.raises(CheckpointError, match=r"tensor token_embd\.weight has the unknown type 99") as error:
        load(tmp_path / "m.gguf")
    assert "corrupt" not in str(error.value)


def test_truth_values_and_texts_are_checked_when_asked_for(raw, tmp_path):
    fields = [raw.field("b", 7, b"\2"), raw.field("t", 8, raw.text(b"a\xff")), raw.field("l", 9, (8, ["a", b"\xc0"]))]
    (tmp_path / "m.gguf").write_bytes(raw.file(fields))
    file = open_model(tmp_path / "m.gguf")
    for key, message in (("b", "key b holds a truth value of 2, expected 0 or 1"), ("t", "key t holds text"),
                         ("l", "key l holds text that is not UTF-8")):
        with pytest.raises(CheckpointError, match=message):
            file.field(key)
    assert str(file.fields["t"]) == "a\ufffd"


def test_a_header_cut_at_any_byte(raw, tmp_path):
    fields = [raw.field(key, kind, content) for key, (kind, content) in KINDS.items()]
    content = raw.file(fields, [raw.tensor("t", (8,)), raw.tensor("u", (32,), 2, 32)], 50)
    (tmp_path / "m.gguf").write_bytes(content)
    open_model(tmp_path / "m.gguf")
    for size in range(4, len(content)):
        assert "m.gguf is truncated or corrupt: " in refused(tmp_path / "m.gguf", content[:size])
    for size in range(4):
        assert "m.gguf is not a GGUF file" in refused(tmp_path / "m.gguf", content[:size])


def test_a_gguf_file_of_123_tensors_is_no_compressed_model(raw, tmp_path):
    tensors = [raw.tensor(f"t{index}", (8,), offset=32 * index) for index in range(ord("{"))]
    (tmp_path / "m.gguf").write_bytes(raw.file([], tensors, 32 * len(tensors)))
    assert (tmp_path / "m.gguf").read_bytes()[8:9] == b"{"
    file = open_model(tmp_path / "m.gguf")
    assert file is not None and len(file.tensors) == 123


def test_a_header_that_is_a_file_system_long(raw, tmp_path):
    """Of holes: nothing to store, but 300 MB to go over."""
    path, text = tmp_path / "m.gguf", 300 << 20
    head = raw.file([raw.field("k", 9, struct.pack("<IQQ", 8, 2, text))], alignment=1)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(len(head) + text + 8)
    with pytest.raises(CheckpointError, match="its header has more than 268,435,456 bytes"):
        open_model(path)


@pytest.fixture
def watchdog():
    """A test that waits for ever fails."""
    def bark(*_):
        raise TimeoutError("10 s are over")

    before = signal.signal(signal.SIGALRM, bark)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("watchdog")
def test_only_regular_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    for place, message in ((tmp_path / "pipe.gguf", "is a pipe, expected a regular file"),
                           ("/dev/zero", "is a device or socket, expected a regular file"),
                           (tmp_path, "cannot be read: Is a directory"),
                           (tmp_path / "loop.gguf", "cannot be read: Too many levels of symbolic links"),
                           ("a\0b", "cannot be read: embedded null"), (tmp_path / ("x" * 300), "File name too long")):
        with pytest.raises(CheckpointError, match=message):
            load(place)


def test_a_file_that_changes_while_it_is_open(raw, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(raw.file([raw.field("l", 9, (8, ["abc", "def"]))], [raw.tensor("t", (8,))], 32))
    file = open_model(path)
    path.write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="key l has changed while it was read"):
        file.field("l")
    with pytest.raises(CheckpointError, match="tensor t cannot be read"):
        _ = file.tensors["t"].data
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        file.field("l")
