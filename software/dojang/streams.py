"""Standard output and standard error that take any text, whatever is behind them."""

import codecs
import errno
import io
import os
import sys
from typing import cast

from .errors import DojangError

__all__ = ["BROKEN_PIPE", "OutputError", "open_streams"]

BROKEN_PIPE = 141
"""Exit code when the reader of standard output went away, as shells have it of SIGPIPE."""

PLAIN = str.maketrans({"×": "x", "÷": "/", "–": "-", "—": "-", "−": "-", "→": "->", "…": "...", "≥": ">=", "≤": "<="})
"""For signs of this program's tables; everything else becomes a question mark."""


class OutputError(DojangError):
    """Standard output cannot be written.

    Attributes
    ----------
    exit_code: 2, or `BROKEN_PIPE`, of which nothing needs to be said: the message is empty.
    """

    def __init__(self, reason: int):
        self.exit_code = BROKEN_PIPE if reason == errno.EPIPE else 2
        why = "it is closed" if reason == errno.EBADF else os.strerror(reason)
        super().__init__("" if reason == errno.EPIPE else f"cannot write standard output: {why}")


def open_streams() -> None:
    """Put streams in the place of ``sys.stdout`` and ``sys.stderr`` that replace what their encoding lacks.

    Standard output that fails raises `OutputError`, once; a standard error that fails is left alone. Descriptors 0 to
    2 that are closed are occupied, so that no file of the program gets them. Raises `OutputError` if it is standard
    output that is closed.
    """
    codecs.register_error("dojang", _replace)
    if sys.stdin is not None:
        cast(io.TextIOWrapper, sys.stdin).reconfigure(errors="surrogateescape")
    closed = sys.stdout is None
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stderr = _text(sys.stderr, 2)
    sys.stdout = _text(sys.stdout, 1)
    if closed:
        raise OutputError(errno.EBADF)


class _Descriptor(io.FileIO):
    """Writes until the first failure, and then drops everything: the interpreter flushes once more at its end."""

    failed = False

    def write(self, data, /):
        if not self.failed:
            try:
                return super().write(data)
            except OSError as error:
                self.failed = True
                if self.fileno() == 1:
                    raise OutputError(error.errno or errno.EIO) from None
        return memoryview(data).nbytes


def _text(stream, descriptor: int) -> io.TextIOWrapper:
    encoding, by_line = ("utf-8", False) if stream is None else (stream.encoding, stream.line_buffering)
    raw = _Descriptor(descriptor, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "dojang", line_buffering=by_line or descriptor == 2)


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    wanting = error.object[error.start:error.end].translate(PLAIN)
    return "".join(_one(character) for character in wanting), error.end


def _one(character: str) -> str:
    if 0xDC80 <= ord(character) <= 0xDCFF:  # a byte of a file name that is not text
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if character.isascii() else "?"
