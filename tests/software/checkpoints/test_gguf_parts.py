"""Split files: all parts are read from any of them, and what is wrong with the parts is named."""

import shutil

import gguf
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, load, open_model

NAMES = [f"tiny-{index:05d}-of-00003.gguf" for index in (1, 2, 3)]


def write_parts(source, folder, numbers=(0, 1, 2), count=3, total=None, extra=None):
    """Split a model as the ecosystem does: keys in the first part, tensors in turns."""
    reader = gguf.GGUFReader(source)
    for index, name in enumerate(NAMES):
        writer = gguf.GGUFWriter(folder / name, "llama")
        if index == 0:
            for key, field in reader.fields.items():
                if not key.startswith("GGUF.") and key != "general.architecture":
                    kind = field.types[0]
                    item = field.types[1] if kind == gguf.GGUFValueType.ARRAY else None
                    writer.add_key_value(key, field.contents(), kind, item)
        writer.add_uint16("split.no", numbers[index])
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(reader.tensors) if total is None else total)
        for tensor in [*reader.tensors[index::3], *(extra or {}).get(index, [])]:
            writer.add_tensor(tensor.name, np.array(tensor.data), raw_dtype=tensor.tensor_type)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return [folder / name for name in NAMES]


def refused(path):
    with pytest.raises(CheckpointError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message and "split" in message
    return message


def test_all_parts_are_read_from_any(model, tmp_path):
    whole, paths = load(model), write_parts(model, tmp_path)
    for path in paths:
        parts = load(path)
        assert parts.shape == whole.shape and parts.name == path.name
        assert parts.codes_sha256 == whole.codes_sha256 and parts.tokenizer == whole.tokenizer
        np.testing.assert_array_equal(parts.embedding[:], whole.embedding[:])
        np.testing.assert_array_equal(parts.vector("output_norm.weight"), whole.vector("output_norm.weight"))
        assert parts.file_bytes == sum(part.stat().st_size for part in paths)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_part_is_named(model, tmp_path, missing):
    paths = write_parts(model, tmp_path)
    paths[missing].unlink()
    for index in {0, 1, 2} - {missing}:
        assert refused(paths[index]) == (f"{paths[index]} is part {index + 1} of 3 of a split file: part {missing + 1} "
                                         f"of 3, {NAMES[missing]}, is missing")
    paths[min({0, 1, 2} - {missing})].unlink()
    assert refused(paths[max({0, 1, 2} - {missing})]).endswith("is missing, and 1 more")


def test_a_part_under_another_name(model, tmp_path):
    paths = write_parts(model, tmp_path)
    for name in ("model.gguf", "tiny-00002-of-00003.gguf", "tiny-00001-of-00004.gguf", "tiny-00001-of-00003.bin"):
        shutil.copy(paths[0], tmp_path / "copy")
        (tmp_path / "copy").rename(tmp_path / name)
        assert refused(tmp_path / name) == (
            f"{tmp_path / name} is part 1 of 3 of a split file, and the others cannot be found: expected a name that "
            "ends with -00001-of-00003.gguf")
    with pytest.raises(CheckpointError, match="says that it is part 1 of 3"):
        load(paths[0])  # next to it is now a second first part


def test_parts_that_do_not_fit(model, tmp_path):
    paths = write_parts(model, tmp_path, total=20)
    assert "says that all parts have 20 tensors, but they have 21" in refused(paths[0])
    write_parts(model, tmp_path, extra={2: gguf.GGUFReader(model).tensors[:1]}, total=22)
    assert "part 3 of 3 of a split file, has tensor token_embd.weight of another part again" in refused(paths[1])
    write_parts(model, tmp_path, numbers=(0, 2, 2))
    assert "part 2 of 3 of a split file, says that it is part 3 of 3" in refused(paths[0])
    write_parts(model, tmp_path, numbers=(3, 1, 2))
    assert "says that it is part 4 of 3 of a split file" in refused(paths[0])
    write_parts(model, tmp_path)
    paths[2].write_bytes(paths[2].read_bytes()[:200])
    with pytest.raises(CheckpointError, match=r"tiny-00003-of-00003\.gguf is truncated or corrupt"):
        load(paths[0])


def test_numbers_that_are_none(raw, tmp_path):
    path = tmp_path / NAMES[0]
    for kind, content, shown in ((8, "two", "'two'"), (6, 2.0, "2.0"), (5, -1, "-1"), (7, True, "True"),
                                 (9, (4, [3]), "[3]"), (10, 2**64 - 1, "18446744073709551615")):
        path.write_bytes(raw.file([raw.field("split.count", kind, content)]))
        assert refused(path) == f"{path}: split.count, of a split file, is {shown}, expected a count"
    path.write_bytes(raw.file([raw.field("split.count", 4, 2**31 - 1)]))
    assert "is part 1 of 2147483647 of a split file, and the others cannot be found" in refused(path)


def test_a_split_into_one_part_is_a_whole_file(raw, model, tmp_path):
    one = raw.rewrite(model, tmp_path / "m.gguf", replace_fields={"split.no": 0, "split.count": 1})
    assert load(one).codes_sha256 == load(model).codes_sha256 and len(open_model(one).parts) == 1
