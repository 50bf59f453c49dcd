"""A model's GGUF file, or its parts as one: fields and tensors, with every damage turned into a `CheckpointError`."""

import math
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, UnsupportedError, shown
from ..tensor_types import SUPPORTED_TYPES
from .parts import read_parts
from .stored import StoredTensor

__all__ = ["GGUFFile"]

ARCHITECTURE = "general.architecture"
ARCHITECTURE_LIMIT = 64


class GGUFFile:
    """Fields and tensors of a model; nothing but headers is read until a value is asked for.

    Parameters
    ----------
    path: of the file, or of any part of a split one.
    name: of the model, for messages; by custom the file's.

    Attributes
    ----------
    path: as given.
    architecture: what the file says, or None.
    fields: `gguf.fields.Field` by key; those of the first part.
    tensors: by name; each has ``tensor_type`` (a `gguf.GGMLQuantizationType`), ``shape`` (columns first) and ``data``.
    order: ``<`` or ``>``, the byte order.
    size: bytes of all parts.
    halves: False, see `dojang.checkpoints.families.ModelFile`.

    Raises
    ------
    CheckpointError: a file is missing, no GGUF file, damaged, or of a version that is not known.
    """

    halves = False

    def __init__(self, path: Path, name: str | None = None):
        self.path, self.name = path, name or path.name
        self.parts = read_parts(path)
        self.fields, self.order = self.parts[0].fields, self.parts[0].order
        self.tensors: dict[str, StoredTensor] = {}
        for part in self.parts:
            self.tensors |= part.tensors
        self.size = sum(part.size for part in self.parts)
        self.architecture = self.field(ARCHITECTURE)
        if self.architecture is not None and not (
                isinstance(self.architecture, str) and 1 <= len(self.architecture) <= ARCHITECTURE_LIMIT):
            raise CheckpointError(f"{path} is truncated or corrupt: {ARCHITECTURE} is {shown(self.architecture)}, "
                                  f"expected a name of at most {ARCHITECTURE_LIMIT} characters")

    def field(self, key: str, default: Any = None) -> Any:
        """A metadata value, or ``default``."""
        field = self.fields.get(key)
        return default if field is None else field.value()

    def number(self, key: str, default: float | None = None) -> float:
        """A metadata value that must be a finite number."""
        value = self.field(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            problem = "is missing" if value is None else f"is {shown(value)}, expected a finite number"
            raise CheckpointError(f"{self.path}: hyper-parameter {key} {problem}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """A metadata value that must be an integer."""
        value = self.number(key, default)
        if not isinstance(value, int):
            raise CheckpointError(f"{self.path}: hyper-parameter {key} is {shown(value)}, expected an integer")
        return value

    def layer_count(self, key: str, layers: int, default: int | None = None) -> int:
        """A metadata value that must be an integer, or a list of the same one for every layer."""
        field = self.fields.get(key)
        if field is None or field.count is None:
            return self.count(key, default)
        value = field.value()
        if len(value) != layers or any(type(item) is not int for item in value):
            raise CheckpointError(f"{self.path}: hyper-parameter {key} is {shown(value)}, expected an integer for each "
                                  f"of {layers} layers")
        if len(set(value)) > 1:
            raise UnsupportedError(f"{self.path}: hyper-parameter {key} is {shown(value)}: layers that differ are not "
                                   "supported")
        return value[0]

    def tensor(self, name: str, size: tuple[int, ...]) -> StoredTensor:
        """The tensor, checked for presence, type and size (rows first)."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise CheckpointError(f"{self.path}: tensor {name} is missing")
        if tensor.tensor_type.name not in SUPPORTED_TYPES:
            raise UnsupportedError(f"{self.path}: tensor {name} has type {tensor.type_name}, supported are "
                                   f"{', '.join(SUPPORTED_TYPES)}")
        found = tuple(reversed(tensor.shape))
        if found != size:
            raise CheckpointError(f"{self.path}: tensor {name} has size {found}, expected {size}")
        return tensor
