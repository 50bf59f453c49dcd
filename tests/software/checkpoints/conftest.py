"""GGUF files byte by byte, so that they may be wrong; and copies of sound ones with changes."""

import struct
from types import SimpleNamespace

import gguf
import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Norm, Rotation
from dojang.checkpoints.synthetic import write_synthetic

LETTERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}


def text(value, order="<"):
    """A text with its length in front."""
    value = value.encode() if isinstance(value, str) else value
    return struct.pack(order + "Q", len(value)) + value


def value(kind, content, order="<"):
    """A value of a type number; ``(item kind, [items])`` for lists."""
    if kind == 8:
        return text(content, order)
    if kind == 9:
        item, items = content
        return struct.pack(order + "IQ", item, len(items)) + b"".join(value(item, one, order) for one in items)
    return struct.pack(order + LETTERS[kind], content)


def field(key, kind, content, order="<"):
    """An entry of the list of keys; ``content`` may be the bytes of the value."""
    raw = content if isinstance(content, bytes) else value(kind, content, order)
    return text(key, order) + struct.pack(order + "I", kind) + raw


def tensor(name, shape, kind=0, offset=0, order="<"):
    """An entry of the list of tensors; ``shape`` has columns first."""
    sizes = struct.pack(f"{order}{len(shape)}Q", *shape)
    return text(name, order) + struct.pack(order + "I", len(shape)) + sizes + struct.pack(order + "IQ", kind, offset)


def file(fields=(), tensors=(), data=0, *, order="<", version=3, counts=None, alignment=32):
    """A whole file of entries as `field` and `tensor` make them, with ``data`` zero bytes behind the header."""
    counts = counts or (len(tensors), len(fields))
    head = b"GGUF" + struct.pack(order + "IQQ", version, *counts) + b"".join([*fields, *tensors])
    return head + bytes(-len(head) % alignment + data)


def rewrite(source, target, skip=(), replace_fields=(), tensors=None):
    """Copy a GGUF, leaving out or replacing fields and changing tensors."""
    reader = gguf.GGUFReader(source)
    replaced = dict(replace_fields)
    writer = gguf.GGUFWriter(target, replaced.get("general.architecture", "llama"))
    for name, found in reader.fields.items():
        if not name.startswith("GGUF.") and name not in (*skip, *replaced, "general.architecture"):
            kind = found.types[0]
            writer.add_key_value(name, found.contents(), kind,
                                 found.types[1] if kind == gguf.GGUFValueType.ARRAY else None)
    for name, content in replaced.items():
        if name != "general.architecture":
            item = gguf.GGUFValueType.get_type(content[0]) if isinstance(content, list) else None
            writer.add_key_value(name, content, gguf.GGUFValueType.get_type(content), item)
    stored = {tensor.name: (np.array(tensor.data), tensor.tensor_type) for tensor in reader.tensors}
    for name, (data, kind) in (tensors or (lambda all_tensors: all_tensors))(stored).items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.fixture(scope="session")
def raw():
    """Writers of bytes: ``text``, ``field``, ``tensor``, ``file``; and ``rewrite``."""
    return SimpleNamespace(text=text, field=field, tensor=tensor, file=file, rewrite=rewrite)


SHAPE = ModelShape(layers=2, d=96, heads=3, kv_heads=1, head_dim=32, ffn=160, vocab=131, context=256,
                   norm=Norm(2.0**-17), kinds=(LayerKind(Rotation(base=5000.0)),))


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A sound file of Q8_0 and F32, with SHAPE: 2 layers, d 96, 131 tokens."""
    return write_synthetic(tmp_path_factory.mktemp("gguf") / "model.gguf", SHAPE, "Q8_0")
