"""Reads a container."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from ..checkpoint import Checkpoint, Embedding, TokenizerData, import_messages
from ..errors import CheckpointError
from ..importing import quantize
from ..matrix import Matrix
from ..scale_set import ScaleSet, from_stored
from ..shape import ModelShape
from ..tensor_types import FLOAT_TYPES
from .arrays import PARTS, unpack
from .naming import KEY, VERSION
from .version_1 import shape_of_version_1

__all__ = ["load_container", "read_description"]


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
        if version not in (1, VERSION):
            raise CheckpointError(f"{path} has version {version!r} of the container, expected {VERSION}, or 1")
        self.names = set(self.file.keys())

    @cached_property
    def shape(self) -> ModelShape:
        """Checked; a description cannot ask for more layers than there are arrays."""
        fields = self.description["shape"]
        layers = fields["layers"]
        if isinstance(layers, int) and layers > len(self.names):
            raise CheckpointError(f"{self.path}: {layers} layers but only {len(self.names)} arrays")
        return shape_of_version_1(fields) if self.description["version"] == 1 else ModelShape.restored(fields)

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
        shape = self.shape
        sizes = shape.tensors()
        types = self.types(sizes)
        floats = {tensor: source for tensor, source in types.items()
                  if len(sizes[tensor]) == 2 and "form" not in self.description["tensors"][tensor]}
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
            if tensor in floats:
                return self.floats(tensor, sizes[tensor]).astype(np.float32)
            return self.matrix(tensor).dequantize()

        def load_matrix(tensor: str) -> Matrix:
            if tensor in floats:
                return quantize(tensor, load_floats(tensor), types[tensor], weights_bits, messages.tell)
            return self.matrix(tensor)

        def load_vector(tensor: str) -> np.ndarray:
            values = self.array(tensor)
            if values.shape != sizes[tensor] or values.dtype != np.float32 or not np.isfinite(values).all():
                raise CheckpointError(f"{self.path}: tensor {tensor} is not {sizes[tensor][0]} finite numbers")
            return values

        positions = self.table("position_embd.weight", (shape.context, shape.d)) if shape.learned_positions else None
        return Checkpoint(name, shape, self.table("token_embd.weight", (shape.vocab, shape.d)), types,
                          messages, load_matrix, load_vector, self.tokenizer,
                          self.path.stat().st_size, positions, load_floats=load_floats, scale_sets={
                              label: partial(self.scale_set, label) for label in self.description["scale_sets"]})

    def types(self, sizes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
        """Stored type of every tensor of those sizes; each is there, and the matrices have their sizes."""
        found, entries = {}, self.description["tensors"]
        for tensor, size in sizes.items():
            matrix = len(size) == 2
            entry = entries.get(tensor) if matrix else {}
            stored = f"{tensor}.codes" if entry is not None and "form" in entry else tensor
            if entry is None or stored not in self.names:
                raise CheckpointError(f"{self.path}: tensor {tensor} is missing")
            if matrix and (entry["rows"], entry["cols"]) != size:
                raise CheckpointError(f"{self.path}: tensor {tensor} has size {(entry['rows'], entry['cols'])}, "
                                      f"expected {size}")
            found[tensor] = entry["source"] if matrix else "F32"
        return found

    def scale_set(self, label: str) -> ScaleSet:
        prefix = f"{label}/"
        return from_stored(label, {name.removeprefix(prefix): self.array(name) for name in sorted(self.names)
                                   if name.startswith(prefix)})

    def matrix(self, tensor: str) -> Matrix:
        entry = self.description["tensors"][tensor]
        parts = {part: self.array(f"{tensor}.{part}") for part in PARTS if f"{tensor}.{part}" in self.names}
        try:
            return unpack(tensor, entry, parts)
        except Exception as error:
            raise CheckpointError(f"{self.path}: tensor {tensor} is corrupt: {error}") from None

    def table(self, tensor: str, size: tuple[int, int]) -> Embedding:
        """Rows by index, of floats or of codes that can be read a row at a time."""
        form = self.description["tensors"][tensor].get("form", {"code": "plain"})
        if form["code"] != "plain":
            raise CheckpointError(f"{self.path}: tensor {tensor} has a window code, whose rows cannot be read alone")
        held: list[np.ndarray | Matrix] = []

        def decode(ids):
            if not held:
                held.append(self.matrix(tensor) if f"{tensor}.codes" in self.names else self.floats(tensor, size))
            table = held[0]
            return table[ids].astype(np.float32) if isinstance(table, np.ndarray) else _some_rows(table, ids)

        return Embedding(size, decode)

    def floats(self, tensor: str, size: tuple[int, ...]) -> np.ndarray:
        """A matrix that is stored as floats."""
        values = self.array(tensor)
        if values.shape != size:
            raise CheckpointError(f"{self.path}: tensor {tensor} has size {values.shape}, expected {size}")
        return values

    def tokenizer(self) -> TokenizerData:
        try:
            fields = self.description["tokenizer"]
            return TokenizerData(**{**fields, "eos_ids": frozenset(fields["eos_ids"])})
        except Exception as error:
            raise CheckpointError(f"{self.path}: the tokenizer is corrupt: {error}") from None


def _some_rows(matrix: Matrix, ids) -> np.ndarray:
    codes = matrix.codes[ids]
    offset = None if matrix.offset is None else matrix.offset[ids]
    return replace(matrix, rows=len(codes), codes=codes, scale=matrix.scale[ids], offset=offset).dequantize()
