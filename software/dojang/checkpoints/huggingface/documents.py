"""JSON files of a folder, with every damage turned into a `CheckpointError`."""

import json
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from ..regular import require_regular

__all__ = ["read_json", "read_text"]

LARGEST = 1 << 30
"""Bytes of a file that is read; the largest vocabularies take a thirtieth."""

DIGITS = 30
"""Of a number."""


def read_text(path: Path) -> str:
    """The text of a file.

    Raises
    ------
    CheckpointError: it cannot be read, is too large, or is not UTF-8.
    """
    size = require_regular(path)
    if size > LARGEST:
        raise CheckpointError(f"{path} has {size:,} bytes, expected at most {LARGEST:,}")
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(f"model file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CheckpointError(f"{path} is truncated or corrupt: it holds text that is not UTF-8") from None


def read_json(path: Path) -> dict[str, Any]:
    """The object that a file holds; its numbers are finite. Raises `CheckpointError` for any other file."""

    def whole(text: str) -> int:
        if len(text) > DIGITS:
            raise ValueError(f"a number has {len(text):,} digits")
        return int(text)

    def constant(text: str) -> float:
        raise ValueError(f"{text} is no number")

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [name for name, _ in items]
            raise ValueError(f"key {next(name for name in names if names.count(name) > 1)!r:.80} comes twice")
        return found

    try:
        content = json.loads(read_text(path), parse_int=whole, parse_constant=constant, object_pairs_hook=pairs)
    except RecursionError:
        raise CheckpointError(f"{path} is truncated or corrupt: its objects are nested too deeply") from None
    except ValueError as error:
        raise CheckpointError(f"{path} is truncated or corrupt: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is truncated or corrupt: expected an object in braces")
    return content
