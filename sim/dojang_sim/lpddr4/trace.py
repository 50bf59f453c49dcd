"""Command traces: text files of one command a line, ``t_tCK CMD BANK``."""

import re
from pathlib import Path
from typing import NamedTuple

from .commands import TRACED, Command

__all__ = ["Issue", "TraceError", "read_trace"]


class TraceError(ValueError):
    """A trace cannot be used; the message is one sentence with file, line, the value found and what was expected."""


class Issue(NamedTuple):
    """A command with its first clock edge at ``time`` tCK."""

    time: int
    command: Command
    bank: int


def read_trace(path: Path, banks: int) -> list[Issue]:
    """The commands of the file ``path`` for a part of ``banks`` banks, in order.

    Columns after the third, blank lines and what follows a ``#`` are ignored. Raises `TraceError` if the file is
    unreadable or a line is not a command, or is earlier than the one before.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise TraceError(f"{path}: cannot be read ({error.strerror}), expected a trace") from None
    except UnicodeDecodeError as error:
        raise TraceError(f"{path}: not text ({error.reason} at byte {error.start}), expected a trace") from None
    issues: list[Issue] = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.partition("#")[0].split()
        if words:
            try:
                issues.append(parse(words, banks, issues[-1].time if issues else 0))
            except TraceError as error:
                raise TraceError(f"{path}, line {number}: {error}") from None
    return issues


def parse(words: list[str], banks: int, least: int) -> Issue:
    """The command of a line's columns, not before ``least`` tCK, or `TraceError` without file and line."""
    if len(words) < 3:
        raise TraceError(f"line is \"{' '.join(words)}\", expected the columns time, command and bank")
    time, command = whole(words[0], "time"), words[1]
    if time < least:
        raise TraceError(f"time is {time}, expected at least {least}, the time of the command before")
    if command not in TRACED:
        raise TraceError(f"command is {command}, expected one of {' '.join(TRACED)}")
    bank = whole(words[2], "bank")
    if bank >= banks:
        raise TraceError(f"bank is {bank}, expected 0 to {banks - 1}")
    return Issue(time, Command[command], bank)


def whole(word: str, name: str) -> int:
    """``word`` as a number; 18 digits keep it below 2**63, for the compiled form of the checker."""
    if not re.fullmatch("[0-9]{1,18}", word):
        raise TraceError(f"{name} is {word}, expected a whole number of at most 18 digits")
    return int(word)
