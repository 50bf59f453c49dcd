"""Tensors of a file: what the header says of each, checked, and the bytes it stands for."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType

from ..errors import CheckpointError, UnsupportedError, named
from .cursor import Cursor

__all__ = ["StoredTensor", "check_places", "read_tensor"]

NAME_LIMIT = 1 << 10
"""Bytes of a tensor's name; the format has 64."""

DIMENSIONS = 4

TYPES = {kind.value: kind for kind in GGMLQuantizationType}

DTYPES = {"F32": "f4", "F16": "f2", "F64": "f8", "I8": "i1", "I16": "i2", "I32": "i4", "I64": "i8"}
"""Types that are numpy's; the others are bytes of blocks."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor that stays in the file.

    Parameters
    ----------
    path, order: where it is from, and its byte order as `struct` has it.
    name: of the tensor.
    number: of its type; `tensor_type` is the type if there is one of that number.
    shape: sizes, columns first.
    offset: of its bytes in the file.
    """

    path: Path
    order: str
    name: str
    number: int
    shape: tuple[int, ...]
    offset: int

    @property
    def tensor_type(self) -> GGMLQuantizationType:
        """Raises `CheckpointError` for a number that stands for no type."""
        if self.number not in TYPES:
            raise CheckpointError(f"{self.path}: tensor {named(self.name)} has the {self.type_name}")
        return TYPES[self.number]

    @property
    def type_name(self) -> str:
        """``Q4_0``, or ``unknown type 99``."""
        return TYPES[self.number].name if self.number in TYPES else f"unknown type {self.number}"

    def after(self, start: int) -> "StoredTensor":
        """The same with an offset that counted from ``start`` before."""
        return replace(self, offset=start + self.offset)

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Of the data in the file; 0 if the type is not known."""
        if self.number not in TYPES:
            return 0
        block, size = gguf.GGML_QUANT_SIZES[self.tensor_type]
        return self.weights // block * size

    @property
    def data(self) -> np.ndarray:
        """Mapped from the file, rows first; of block types and BF16 the bytes, uint8 [..., bytes of a row].

        Raises
        ------
        CheckpointError: the byte order is not this machine's, or the file cannot be mapped.
        """
        if self.order != "<":
            raise UnsupportedError(f"{self.path} is a big-endian file, of which only the header is supported")
        name = self.tensor_type.name
        shape = tuple(reversed(self.shape))
        if name not in DTYPES:
            shape = gguf.quant_shape_to_byte_shape(shape, self.tensor_type)
        try:
            return np.asarray(np.memmap(self.path, "<" + DTYPES.get(name, "u1"), "r", self.offset, shape))
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path}: tensor {named(self.name)} cannot be read: {error}") from None


def read_tensor(cursor: Cursor) -> StoredTensor:
    """The next entry of the list of tensors; its offset counts from the end of the header."""
    name = cursor.text(NAME_LIMIT, "a tensor's name")
    dimensions = cursor.number("I")
    if dimensions > DIMENSIONS:
        raise cursor.damaged(f"tensor {named(name)} has {dimensions} dimensions, expected at most {DIMENSIONS}")
    shape = tuple(cursor.number("Q") for _ in range(dimensions))
    if not all(0 < size < 1 << 63 for size in shape) or math.prod(shape) >= 1 << 60:
        raise cursor.damaged(f"tensor {named(name)} has the sizes {shape}, expected positive ones")
    tensor = StoredTensor(cursor.path, cursor.order, name, cursor.number("I"), shape, cursor.number("Q"))
    if tensor.n_bytes:
        block = gguf.GGML_QUANT_SIZES[tensor.tensor_type][0]
        columns = shape[0] if shape else 1
        if columns % block:
            raise cursor.damaged(f"tensor {named(name)} has rows of {columns}, expected a multiple of {block} as its "
                                 f"type is {tensor.type_name}")
    return tensor


def check_places(cursor: Cursor, tensors: list[StoredTensor], start: int, alignment: int) -> None:
    """Every tensor begins at a multiple of the alignment from ``start``, ends in the file and shares no byte."""
    end, before = start, ""
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        name = named(tensor.name)
        if (tensor.offset - start) % alignment:
            raise cursor.damaged(f"tensor {name} begins at {tensor.offset - start:,}, expected a multiple of the "
                                 f"alignment {alignment}")
        if tensor.offset + tensor.n_bytes > cursor.size:
            raise cursor.damaged(f"tensor {name} ends at byte {tensor.offset + tensor.n_bytes:,}, but the file has "
                                 f"{cursor.size:,}")
        if tensor.offset < end:
            raise cursor.damaged(f"tensors {before} and {name} overlap")
        end, before = tensor.offset + tensor.n_bytes, name
