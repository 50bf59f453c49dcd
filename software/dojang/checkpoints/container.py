"""Compressed models in a file: safetensors with a description in its metadata (docs/reference/container.md)."""

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .checkpoint import Checkpoint, Embedding, TokenizerData, import_messages
from .errors import CheckpointError
from .form import BLOCK, Form
from .importing import quantize
from .matrix import Matrix
from .scale_set import ScaleSet, from_stored
from .shape import ModelShape
from .tensor_types import FLOAT_TYPES

__all__ = ["SUFFIX", "Contents", "describe", "is_container", "load_container", "pack", "read_description",
           "unpack", "write_container"]

VERSION = 1
SUFFIX = ".dojang"
KEY = "dojang"
CODE_NAMES = {Code.PLAIN: "plain", **{code: window.name.lower() for code, window in CODES.items()}}
DTYPES = {"codes": np.uint8, "scale": np.float16, "offset": np.float16, "mask": np.uint8}


@dataclass
class Contents:
    """A model to be written.

    Parameters
    ----------
    name, shape, tokenizer: of the model.
    matrices: by tensor name; float32 or float16 [rows, cols] where the model stores floats that stay.
    vectors: norm gains, float32, by tensor name.
    sources: stored type of the matrices that stay floats.
    notes: what else to say about a tensor, by tensor name; JSON.
    recipe: how it was made; JSON.
    source_sha256: of the model it was made from.
    scale_sets: other scales and gains of the same codes, by name: arrays by stored name, float16 in place of
        ``NAME.scale``, float32 in place of a vector.
    """

    name: str
    shape: ModelShape
    tokenizer: TokenizerData
    matrices: Mapping[str, Matrix | np.ndarray]
    vectors: Mapping[str, np.ndarray]
    sources: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, dict] = field(default_factory=dict)
    recipe: Any = None
    source_sha256: str = ""
    scale_sets: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)


def is_container(path: Path) -> bool:
    """By its name, or by the JSON that begins at the ninth byte of every safetensors file.

    The ninth byte of a GGUF file counts tensors, and may be the same.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(9)
            return path.suffix == SUFFIX or (head[8:] == b"{" and not head.startswith(b"GGUF"))
    except OSError:
        return False


def write_container(path: Path, contents: Contents) -> None:
    """Write the file under another name beside it, then put it in place."""
    arrays: dict[str, np.ndarray] = {}
    tensors: dict[str, dict] = {}
    for name, matrix in contents.matrices.items():
        note = contents.notes.get(name, {})
        if isinstance(matrix, Matrix):
            arrays |= {f"{name}.{part}": values for part, values in pack(matrix).items()}
            tensors[name] = {**describe(matrix), **note}
        else:
            arrays[name] = np.ascontiguousarray(matrix)
            rows, cols = matrix.shape
            tensors[name] = {"rows": rows, "cols": cols, "source": contents.sources[name], **note}
    for name, vector in contents.vectors.items():
        arrays[name] = np.ascontiguousarray(vector, np.float32)
    for label, parts in contents.scale_sets.items():
        arrays |= {f"{label}/{name}": np.ascontiguousarray(values) for name, values in parts.items()}
    shape, tokenizer = contents.shape.stored(), asdict(contents.tokenizer)
    tokenizer["eos_ids"] = sorted(contents.tokenizer.eos_ids)
    description = {
        "version": VERSION, "name": contents.name, "shape": shape, "tokenizer": tokenizer, "tensors": tensors,
        "recipe": contents.recipe, "source_sha256": contents.source_sha256, "scale_sets": list(contents.scale_sets),
        "crc32": {name: zlib.crc32(values.tobytes()) for name, values in arrays.items()},
    }
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(arrays, draft, {KEY: json.dumps(description, ensure_ascii=False, default=_plain)})
        draft.chmod(0o666 & ~_umask())  # the package makes it private
        os.replace(draft, path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}") from None
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def describe(matrix: Matrix) -> dict:
    """The entry of a matrix in the description."""
    form = {**asdict(matrix.form), "code": CODE_NAMES[matrix.form.code]}
    return {"rows": matrix.rows, "cols": matrix.cols, "source": matrix.source, "form": form}


def pack(matrix: Matrix) -> dict[str, np.ndarray]:
    """The arrays of a matrix as the file has them, by part."""
    codes = matrix.codes.reshape(len(matrix.codes), -1).view(np.uint8)
    parts = {"codes": np.stack([_packed(codes >> plane & 1) for plane in range(matrix.form.symbol_bits)]),
             "scale": np.ascontiguousarray(matrix.scale, np.float16)}
    if matrix.offset is not None:
        parts["offset"] = np.ascontiguousarray(matrix.offset, np.float16)
    if matrix.mask is not None:
        parts["mask"] = _packed(matrix.mask.reshape(matrix.rows, -1))
    return parts


def unpack(name: str, entry: dict, parts: Mapping[str, np.ndarray]) -> Matrix:
    """A matrix from its entry and arrays; raises ValueError where they do not fit together."""
    fields = dict(entry["form"])
    codes = {label: code for code, label in CODE_NAMES.items()}
    if fields.get("code") not in codes:
        raise ValueError(f"tensor {name} has the unknown code {fields.get('code')!r}")
    form = Form(**{**fields, "code": codes[fields["code"]]})
    rows, cols = entry["rows"], entry["cols"]
    groups = -(-cols // form.group)
    blocks = groups * form.terms * form.group // BLOCK
    steps, planes = -(-rows // form.step_rows), form.symbol_bits
    sizes = {"codes": (planes, steps, blocks * BLOCK // 8), "offset": (rows, groups),
             "mask": (rows, blocks * BLOCK // 8), "scale": (rows,) if form.row_scale else (rows, groups * form.terms)}
    for part, values in parts.items():
        if values.shape != sizes[part] or values.dtype != DTYPES[part]:
            raise ValueError(f"tensor {name}.{part} has size {values.shape} and type {values.dtype}, expected "
                             f"{sizes[part]} and {np.dtype(DTYPES[part])}")
    for part in ("scale", "offset"):
        if part in parts and not np.isfinite(parts[part]).all():
            raise ValueError(f"tensor {name} holds a NaN or infinite {part}")
    found = np.zeros((steps, blocks * BLOCK), np.uint8)
    for plane, packed in enumerate(parts["codes"]):
        found |= np.unpackbits(packed, axis=1, bitorder="little") << plane
    if form.signed:
        top = 1 << planes - 1
        found = ((found ^ top).astype(np.int16) - top).astype(np.int8)
    mask = None
    if "mask" in parts:
        mask = np.unpackbits(parts["mask"], axis=1, bitorder="little").astype(bool).reshape(rows, blocks, BLOCK)
    return Matrix(name, rows, cols, found.reshape(steps, blocks, BLOCK), form, parts["scale"], parts.get("offset"),
                  entry["source"], mask)


def load_container(path: Path, name: str, weights_bits: int) -> Checkpoint:
    """Open a container; matrices are read when first used."""
    try:
        with open(path, "rb"):
            pass
    except FileNotFoundError:
        raise CheckpointError(f"model file {path} does not exist") from None
    except OSError as error:
        raise CheckpointError(f"model file {path} cannot be read: {error.strerror}") from None
    try:
        return _Container(path).checkpoint(name, weights_bits)
    except CheckpointError:
        raise
    except Exception as error:  # whatever a damaged byte leads to
        raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None


def read_description(path: Path) -> dict:
    """What a container says of itself (docs/reference/container.md); raises `CheckpointError` for other files."""
    try:
        return _Container(path).description
    except CheckpointError:
        raise
    except Exception as error:
        raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None


class _Container:
    """Description and arrays of an open file."""

    def __init__(self, path: Path):
        self.path = path
        self.file = safe_open(path, "numpy")
        metadata = self.file.metadata() or {}
        if KEY not in metadata:
            raise CheckpointError(f"{path} is a safetensors file that dojang compress has not written")
        self.description = json.loads(metadata[KEY])
        version = self.description.get("version")
        if version != VERSION:
            raise CheckpointError(f"{path} has version {version!r} of the container, expected {VERSION}")
        self.names = set(self.file.keys())

    def array(self, name: str) -> np.ndarray:
        """A stored array, checked against its sum."""
        try:
            values = self.file.get_tensor(name)
        except SafetensorError as error:
            raise CheckpointError(f"{self.path}: tensor {name} is missing or damaged: {error}") from None
        if zlib.crc32(np.ascontiguousarray(values).tobytes()) != self.description["crc32"][name]:
            raise CheckpointError(f"{self.path}: tensor {name} is damaged, its checksum differs")
        return values

    def checkpoint(self, name: str, weights_bits: int) -> Checkpoint:
        shape = ModelShape.restored(self.description["shape"])
        tensors = self.description["tensors"]
        sizes_of = shape.tensors()
        vectors = [name for name, size in sizes_of.items() if len(size) == 1]
        sizes = {name: size for name, size in sizes_of.items() if len(size) == 2}
        for tensor, size in sizes.items():
            entry = tensors.get(tensor)
            stored = f"{tensor}.codes" if entry is not None and "form" in entry else tensor
            if entry is None or stored not in self.names:
                raise CheckpointError(f"{self.path}: tensor {tensor} is missing")
            if (entry["rows"], entry["cols"]) != size:
                raise CheckpointError(f"{self.path}: tensor {tensor} has size {(entry['rows'], entry['cols'])}, "
                                      f"expected {size}")
        if "form" in tensors["token_embd.weight"] and tensors["token_embd.weight"]["form"]["code"] != "plain":
            raise CheckpointError(f"{self.path}: the embedding has a window code, whose rows cannot be read alone")
        for tensor in vectors:
            if tensor not in self.names:
                raise CheckpointError(f"{self.path}: tensor {tensor} is missing")
        types = {tensor: tensors[tensor]["source"] for tensor in sizes} | dict.fromkeys(vectors, "F32")
        floats = {tensor: types[tensor] for tensor in sizes if "form" not in tensors[tensor]}
        for tensor, source in floats.items():
            if source not in FLOAT_TYPES:
                raise CheckpointError(f"{self.path}: tensor {tensor} has type {source}, expected one of "
                                      f"{', '.join(FLOAT_TYPES)}")

        messages = import_messages({tensor: source for tensor, source in types.items()
                                    if tensor in floats or source not in FLOAT_TYPES}, shape.tied, weights_bits)
        if not shape.tied:  # rows of the embedding are in its form too, unlike those of a GGUF file
            messages.tell_of("embedding", types["token_embd.weight"])
        messages.extend(shape.messages())

        def load_floats(tensor: str) -> np.ndarray:
            return self.array(tensor).astype(np.float32) if tensor in floats else self.matrix(tensor).dequantize()

        def load_matrix(tensor: str) -> Matrix:
            if tensor in floats:
                return quantize(tensor, load_floats(tensor), types[tensor], weights_bits, messages.tell)
            return self.matrix(tensor)

        def load_vector(tensor: str) -> np.ndarray:
            values = self.array(tensor)
            if values.shape != sizes_of[tensor] or values.dtype != np.float32 or not np.isfinite(values).all():
                raise CheckpointError(f"{self.path}: tensor {tensor} is not {sizes_of[tensor][0]} finite numbers")
            return values

        return Checkpoint(name, shape, self.embedding(shape, "token_embd.weight" in floats), types,
                          messages, load_matrix, load_vector, self.tokenizer,
                          self.path.stat().st_size, load_floats=load_floats, scale_sets={
                              label: partial(self.scale_set, label) for label in self.description["scale_sets"]})

    def scale_set(self, label: str) -> ScaleSet:
        prefix = f"{label}/"
        return from_stored(label, {name.removeprefix(prefix): self.array(name) for name in sorted(self.names)
                                   if name.startswith(prefix)})

    def matrix(self, tensor: str) -> Matrix:
        entry = self.description["tensors"][tensor]
        parts = {part: self.array(f"{tensor}.{part}") for part in DTYPES if f"{tensor}.{part}" in self.names}
        try:
            return unpack(tensor, entry, parts)
        except Exception as error:
            raise CheckpointError(f"{self.path}: tensor {tensor} is corrupt: {error}") from None

    def embedding(self, shape: ModelShape, floats: bool) -> Embedding:
        table: list[np.ndarray | Matrix] = []

        def decode(ids):
            if not table:
                table.append(self.array("token_embd.weight") if floats else self.matrix("token_embd.weight"))
            held = table[0]
            return held[ids].astype(np.float32) if isinstance(held, np.ndarray) else _some_rows(held, ids)

        return Embedding((shape.vocab, shape.d), decode)

    def tokenizer(self) -> TokenizerData:
        try:
            fields = self.description["tokenizer"]
            return TokenizerData(**{**fields, "eos_ids": frozenset(fields["eos_ids"])})
        except Exception as error:
            raise CheckpointError(f"{self.path}: the tokenizer is corrupt: {error}") from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _some_rows(matrix: Matrix, ids) -> np.ndarray:
    codes = matrix.codes[ids]
    offset = None if matrix.offset is None else matrix.offset[ids]
    return replace(matrix, rows=len(codes), codes=codes, scale=matrix.scale[ids], offset=offset).dequantize()


def _packed(bits: np.ndarray) -> np.ndarray:
    return np.packbits(bits.astype(bool), axis=1, bitorder="little")


def _plain(value: Any) -> Any:
    """What the tokenizer's metadata may hold besides JSON's own types."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value)
