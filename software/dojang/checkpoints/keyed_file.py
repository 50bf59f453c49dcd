"""What all files of a model have in common, of whatever format: values by GGUF's keys, tensors by GGUF's names."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import CheckpointError, UnsupportedError, shown
from .tensor_types import SUPPORTED_TYPES

__all__ = ["KeyedFile"]


class KeyedFile:
    """Fields and tensors of a model; no weight is read until it is asked for.

    Attributes
    ----------
    path: as given.
    name: of the model, for messages.
    architecture: what the files say, by GGUF's name, or None.
    fields: by key; each has ``value()``, ``count`` (elements of a list, or None) and a `str`.
    tensors: by name; each has ``tensor_type`` (a `gguf.GGMLQuantizationType`), ``type_name``, ``shape`` (columns
        first), ``weights``, ``n_bytes`` and ``data`` (rows first).
    order: ``<`` or ``>``, the byte order.
    size: bytes of all files.
    halves: elements that rotary embedding turns as a pair lie half of a rotated part apart, whatever the architecture.
    """

    path: Path
    name: str
    architecture: str | None
    fields: Mapping[str, Any]
    tensors: Mapping[str, Any]
    order: str
    size: int
    halves: bool

    def __str__(self) -> str:
        """Kind, size, number of files and tensors, on a line."""
        raise NotImplementedError

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

    def tensor(self, name: str, size: tuple[int, ...]) -> Any:
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
