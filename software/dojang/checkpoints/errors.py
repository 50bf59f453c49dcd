"""The error of this package."""

from ..errors import DojangError

LONGEST = 80
"""Characters of a value in a message."""


class CheckpointError(DojangError):
    """A checkpoint is missing, damaged or not supported; the message names file, tensor and type."""


class UnsupportedError(CheckpointError):
    """A checkpoint is sound, but of a kind that is not supported; the message names what is not."""


def shown(value: object, longest: int = LONGEST) -> str:
    """A value out of a file as messages have it: printable, and short however long it is; texts in quotes."""
    if isinstance(value, str):
        head = repr(value[:longest])
        cut = len(value) > longest or len(head) > longest + 2
        return f"{head[:longest]}…{head[0]} of {len(value):,} characters" if cut else head
    if isinstance(value, list | tuple):
        head = ", ".join(shown(item, longest // 8) for item in value[:4])
        return f"a list of {len(value):,}: {head}, …" if len(value) > 4 else f"[{head}]"
    return repr(value)[:LONGEST]


def named(name: str) -> str:
    """A name out of a file as messages have it: without quotes, printable, and short."""
    head = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in name[:LONGEST])
    return f"{head[:LONGEST]}…" if len(name) > LONGEST or len(head) > LONGEST else head
