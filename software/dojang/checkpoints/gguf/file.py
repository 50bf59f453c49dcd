"""A GGUF file: its fields and tensors, with every damage turned into a `CheckpointError`."""

from pathlib import Path
from typing import Any

import gguf
import numpy as np

from ..errors import CheckpointError
from ..tensor_types import SUPPORTED_TYPES

__all__ = ["GGUFFile"]

ARRAY_LIMIT = 1 << 22
"""Elements of a metadata list; the largest vocabularies have 2^18. A damaged count must not keep the reader busy."""


class _Reader(gguf.GGUFReader):
    """A reader that refuses to read beyond the file (the base class silently returns less, or loops for ever)."""

    def _get(self, offset, dtype, count=1, override_order=None):
        if int(offset) + np.dtype(dtype).itemsize * int(count) > len(self.data):
            raise ValueError("it ends before its contents do")
        return super()._get(offset, dtype, count, override_order)

    def _get_field_parts(self, orig_offs, raw_type):
        if raw_type == gguf.GGUFValueType.ARRAY:
            count = int(self._get(orig_offs + 4, np.uint64)[0])
            if count > ARRAY_LIMIT:
                raise ValueError(f"a list has {count} elements")
        return super()._get_field_parts(orig_offs, raw_type)


class GGUFFile:
    """Fields and tensors of a file.

    Attributes
    ----------
    path: of the file, for messages.
    tensors: by name; each has ``tensor_type`` (a `gguf.GGMLQuantizationType`), ``shape`` (columns first) and ``data``.
    """

    def __init__(self, path: Path):
        self.path = path
        try:
            with open(path, "rb") as file:
                magic = file.read(4)
        except FileNotFoundError:
            raise CheckpointError(f"model file {path} does not exist") from None
        except OSError as error:
            raise CheckpointError(f"model file {path} cannot be read: {error.strerror}") from None
        if magic != b"GGUF":
            raise CheckpointError(f"{path} is not a GGUF file")
        try:
            self._reader = _Reader(path)
        except Exception as error:  # the package raises whatever a damaged byte leads to
            raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None
        self.tensors = {tensor.name: tensor for tensor in self._reader.tensors}

    def field(self, key: str, default: Any = None) -> Any:
        """A metadata value, or ``default``."""
        field = self._reader.get_field(key)
        return default if field is None else field.contents()

    def number(self, key: str, default: float | None = None) -> float:
        """A metadata value that must be a number."""
        value = self.field(key, default)
        if not isinstance(value, int | float):
            problem = "is missing" if value is None else f"is {value!r}, not a number"
            raise CheckpointError(f"{self.path}: hyper-parameter {key} {problem}")
        return value

    def count(self, key: str, default: int | None = None) -> int:
        """A metadata value that must be an integer."""
        value = self.number(key, default)
        if not isinstance(value, int):
            raise CheckpointError(f"{self.path}: hyper-parameter {key} is {value!r}, not an integer")
        return value

    def tensor(self, name: str, size: tuple[int, ...]):
        """The tensor, checked for presence, type and size (rows first)."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise CheckpointError(f"{self.path}: tensor {name} is missing")
        if tensor.tensor_type.name not in SUPPORTED_TYPES:
            raise CheckpointError(f"{self.path}: tensor {name} has type {tensor.tensor_type.name}, supported are "
                                  f"{', '.join(SUPPORTED_TYPES)}")
        found = tuple(int(n) for n in reversed(tensor.shape))
        if found != size:
            raise CheckpointError(f"{self.path}: tensor {name} has size {found}, expected {size}")
        return tensor
