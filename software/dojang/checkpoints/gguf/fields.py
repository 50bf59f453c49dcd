"""Values of a header: where they are, and how they are decoded when asked for."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGUFValueType as Kind

from ..errors import CheckpointError, named
from .cursor import Cursor

__all__ = ["Field", "read_field"]

NUMBERS = {Kind.UINT8: "B", Kind.INT8: "b", Kind.UINT16: "H", Kind.INT16: "h", Kind.UINT32: "I", Kind.INT32: "i",
           Kind.FLOAT32: "f", Kind.UINT64: "Q", Kind.INT64: "q", Kind.FLOAT64: "d", Kind.BOOL: "B"}
"""Letters of `struct`, and of numpy; a truth value is a byte of 0 or 1."""

LIST_LIMIT = 1 << 24
"""Elements of a list of numbers."""

SHORT = 8
"""Elements of a list that is shown."""


@dataclass(frozen=True, slots=True)
class Field:
    """A value that stays in the file.

    Parameters
    ----------
    path, order, key: where it is from, and its byte order as `struct` has it.
    kind: of the value, of the elements if it is a list.
    count: elements of a list, or None.
    offset, size: bytes in front of it in the file, and its own.
    """

    path: Path
    order: str
    key: str
    kind: Kind
    count: int | None
    offset: int
    size: int

    def value(self) -> Any:
        """A number, a truth value, a text or a list of those.

        Raises
        ------
        CheckpointError: a text is not UTF-8, a truth value neither 0 nor 1, or the file has changed.
        """
        data = self._bytes(self.size)
        try:
            if self.kind == Kind.STRING:
                return data.decode() if self.count is None else self._texts(data, self.count)
            values = np.frombuffer(data, np.dtype(self.order + NUMBERS[self.kind]))
            if self.kind == Kind.BOOL:
                if (values > 1).any():
                    raise self._wrong(f"holds a truth value of {values.max()}, expected 0 or 1")
                values = values.astype(bool)
        except UnicodeDecodeError:
            raise self._wrong("holds text that is not UTF-8") from None
        except (struct.error, ValueError):
            raise self._wrong("has changed while it was read") from None
        return values.tolist()[0] if self.count is None else values.tolist()

    def __str__(self) -> str:
        """The value on a line, cut where it is long; of a long list or one of texts, only what it is."""
        if self.count is not None and (self.count > SHORT or self.kind == Kind.STRING):
            return f"{self.count:,} {'texts' if self.kind == Kind.STRING else self.kind.name.lower()}"
        if self.kind == Kind.STRING:
            return named(self._bytes(min(self.size, 1024)).decode(errors="replace"))
        values = [self.value()] if self.count is None else self.value()
        return ", ".join(f"{value:.7g}" if isinstance(value, float) else str(value) for value in values)

    def _texts(self, data: bytes, count: int) -> list[str]:
        length_at = struct.Struct(self.order + "Q").unpack_from
        texts, at = [], 0
        for _ in range(count):
            end = at + 8 + length_at(data, at)[0]
            texts.append(data[at + 8:end].decode())
            at = end
        return texts

    def _bytes(self, count: int) -> bytes:
        try:
            with open(self.path, "rb") as file:
                file.seek(self.offset)
                data = file.read(count)
        except OSError as error:
            raise CheckpointError(f"model file {self.path} cannot be read: {error.strerror}") from None
        if len(data) < count:
            raise self._wrong("has changed while it was read")
        return data

    def _wrong(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self.path} is truncated or corrupt: key {named(self.key)} {why}")


def read_field(cursor: Cursor, key: str) -> Field:
    """Go over the value of ``key``, its type in front."""
    kind, count = _kind(cursor, key), None
    if kind == Kind.ARRAY:
        kind, count = _kind(cursor, key), cursor.number("Q")
        if kind == Kind.ARRAY:
            raise CheckpointError(f"{cursor.path}: key {named(key)} is a list of lists, which is not supported")
    if kind != Kind.STRING:
        size = struct.calcsize(NUMBERS[kind]) * (1 if count is None else count)
        if (count or 0) > LIST_LIMIT:
            raise cursor.damaged(f"key {named(key)} is a list of {count:,}, expected at most {LIST_LIMIT:,}")
        field = Field(cursor.path, cursor.order, key, kind, count, cursor.offset, size)
        cursor.skip(size)
        return field
    if count is None:
        size = cursor.number("Q")
        field = Field(cursor.path, cursor.order, key, kind, None, cursor.offset, size)
        cursor.skip(size)
        return field
    offset = cursor.offset
    cursor.skip_texts(count)
    return Field(cursor.path, cursor.order, key, kind, count, offset, cursor.offset - offset)


def _kind(cursor: Cursor, key: str) -> Kind:
    number = cursor.number("I")
    try:
        return Kind(number)
    except ValueError:
        raise cursor.damaged(f"key {named(key)} has the unknown value type {number}") from None
