"""Files that a command writes at its end: whole and of this run, or not there."""

import errno
import json
import os
import secrets
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DojangError

__all__ = ["JsonFile", "OutputFileError", "prepare", "write_json"]

JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the figures.")]


class OutputFileError(DojangError):
    """A file cannot be written."""

    def __init__(self, path: Path, reason: str | None):
        super().__init__(f"cannot write {path}: {reason}")


def prepare(path: Path | None, *inputs: str | Path, keep: bool = False) -> None:
    """Find out before long work whether ``path`` can be written.

    Its folder is made, and nothing else. What an earlier run has left there is removed, unless it is to be kept: it
    would look like this run's if this one fails. Pipes and devices are left alone, and are written to at the end.

    Raises
    ------
    OutputFileError: the place cannot be written, or is one of the files ``inputs`` that are read.
    """
    if path is None:
        return
    try:
        if _is_special(path):
            return
        for other in inputs:
            if path.exists() and Path(other).exists() and path.samefile(other):
                raise OutputFileError(path, "it is what is read")
        target = path.resolve()
        _make_folder(target.parent)
        tempfile.TemporaryFile(dir=target.parent).close()  # has no name where the system can do without
        if not keep:
            target.unlink(missing_ok=True)
    except OSError as error:
        raise OutputFileError(path, error.strerror) from None


def write_json(path: Path | None, figures: object, indent: int = 2, ascii_only: bool = True) -> None:
    """Write ``figures`` in one piece: an earlier file is there until the new one is whole. `OutputFileError` if not."""
    if path is None:
        return
    text = json.dumps(figures, indent=indent, ensure_ascii=ascii_only) + "\n"
    try:
        if _is_special(path):
            _write_special(path, text)
        else:
            target = path.resolve()
            _make_folder(target.parent)
            _replace(target, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise OutputFileError(path, error.strerror) from None


def _is_special(path: Path) -> bool:
    """A pipe, a device, or the file behind standard output. Raises OSError for a folder."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return not stat.S_ISREG(found.st_mode) or _is_standard_output(found)


def _is_standard_output(found: os.stat_result) -> bool:
    try:
        return os.path.samestat(found, os.fstat(1))
    except OSError:
        return False


def _write_special(path: Path, text: str) -> None:
    if _is_standard_output(path.stat()):  # opened again it would begin at its first byte
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        with path.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    folder.mkdir(parents=True, exist_ok=True)


def _replace(target: Path, data: bytes) -> None:
    draft = target.with_name(f".dojang-{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(data)
        os.replace(draft, target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
