"""Reading the header of a file from front to back."""

import struct
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import CheckpointError

__all__ = ["Cursor"]

WINDOW = 1 << 20
"""Bytes held at a time."""

HEADER_LIMIT = 1 << 28
"""Bytes of a header; the largest of today have 2^24. What a damaged length spans must not keep the reader busy."""

TEXTS_LIMIT = 1 << 22
"""Texts of all lists of a header; the largest vocabularies have 2^18 tokens and 2^19 merges."""


class Cursor:
    """A place in an open file, whose bytes come through a window; it never goes beyond the file's end.

    Attributes
    ----------
    order: ``<`` or ``>``, byte order of numbers, as `struct` has it.
    """

    def __init__(self, path: Path, file: BinaryIO, size: int):
        self.path, self.size, self.order = path, size, "<"
        self._file = file
        self._window, self._start, self._at = b"", 0, 0  # bytes, their place in the file, and ours in them
        self._texts = 0

    @property
    def offset(self) -> int:
        """Bytes in front of this place."""
        return self._start + self._at

    def damaged(self, why: str) -> CheckpointError:
        """An error to raise: the file is not what it says."""
        return CheckpointError(f"{self.path} is truncated or corrupt: {why}")

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, of at most a window."""
        if self._at + count > len(self._window):
            self._refill(count)
        taken = self._window[self._at:self._at + count]
        self._at += count
        return taken

    def number(self, code: str) -> Any:
        """The next number, by its letter in `struct`."""
        return struct.unpack(self.order + code, self.take(struct.calcsize(self.order + code)))[0]

    def skip(self, count: int) -> None:
        """Go over ``count`` bytes, which must be there."""
        self._at += count
        if self._at > len(self._window):
            self._require(0)

    def skip_texts(self, count: int) -> None:
        """Go over ``count`` texts, each with its length in front."""
        self._texts += count
        if self._texts > TEXTS_LIMIT:
            raise self.damaged(f"its lists have {self._texts:,} texts, expected at most {TEXTS_LIMIT:,}")
        length_at = struct.Struct(self.order + "Q").unpack_from
        window, at, last = self._window, self._at, len(self._window) - 8
        for _ in range(count):
            if at > last:
                self._at = at
                self._refill(8)
                window, at, last = self._window, 0, len(self._window) - 8
            at += 8 + length_at(window, at)[0]
        self._at = at
        self._require(0)

    def text(self, limit: int, what: str) -> str:
        """A name with its length in front, of 1 to ``limit`` bytes; ``what`` is for messages."""
        length = self.number("Q")
        if not 1 <= length <= limit:
            raise self.damaged(f"{what} has {length:,} bytes, expected 1 to {limit:,}")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise self.damaged(f"{what} is not UTF-8") from None

    def _require(self, count: int) -> None:
        if self.offset + count > self.size:
            raise self.damaged("it ends before its contents do")
        if self.offset + count > HEADER_LIMIT:
            raise self.damaged(f"its header has more than {HEADER_LIMIT:,} bytes")

    def _refill(self, count: int) -> None:
        self._require(count)
        self._start, self._at = self.offset, 0
        self._file.seek(self._start)
        self._window = self._file.read(max(WINDOW, count))
        if len(self._window) < count:
            raise self.damaged("it ends before its contents do")
