"""Stages whose results are kept by the content of what they are made from."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["Stage", "digest"]

DONE = "done.json"


def digest(*parts: str | bytes | Path) -> str:
    """Of texts and of the contents of files."""
    whole = hashlib.sha256()
    for part in parts:
        content = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        whole.update(hashlib.sha256(content).digest())
    return whole.hexdigest()[:16]


class Stage:
    """One step: a folder named after it and after what goes in.

    Nothing in the folder counts until `finish` has written that it is complete, so an interrupted step starts anew.
    """

    def __init__(self, root: Path, name: str, *inputs: str | bytes | Path):
        self.name = name
        self.folder = root / f"{name}-{digest(*inputs)}"
        self._started = time.monotonic()

    @property
    def complete(self) -> bool:
        return (self.folder / DONE).exists()

    @property
    def seconds(self) -> float:
        """How long it took, whenever that was."""
        return json.loads((self.folder / DONE).read_text())["seconds"]

    def begin(self, files: Iterable[Path] = ()) -> None:
        """An empty folder with the given files in it."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for file in files:
            try:
                os.link(file, self.folder / file.name)
            except OSError:  # another file system
                shutil.copy(file, self.folder)
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self._started

    def finish(self) -> None:
        (self.folder / DONE).write_text(json.dumps({"seconds": round(self.elapsed, 1)}) + "\n")

    def make(self, files: Iterable[Path], work: Callable[[Path], None]) -> None:
        """Do ``work`` in the folder, unless that has been done before."""
        if not self.complete:
            self.begin(files)
            work(self.folder)
            self.finish()
