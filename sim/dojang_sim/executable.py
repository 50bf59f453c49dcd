"""Verilates a design with a C++ main program, and the libraries of modules that are models of their own."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .toolchain import ToolchainError, build_environment, build_lock, cache_root, run_tool

__all__ = ["FLAGS", "OPTIMIZE", "TRAINED", "Library", "build_executable"]

# Signals lie beside each other in one object. What is written one by one and read as a vector waits for the store, so a
# vectorised model is a quarter slower; and looking through all stores for what a load may see is a third of compiling.
OPTIMIZE = "-O2 -fno-tree-vectorize -fno-tree-slp-vectorize --param=sccvn-max-alias-queries-per-access=30"

# What the compiler then knows is which enables are rare. Training need not reach everything in a model.
COUNTING = f"{OPTIMIZE} -fprofile-generate"
TRAINED = f"{OPTIMIZE} -fprofile-use -fprofile-partial-training"

FLAGS = ("--cc", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "0", "--no-timing",
         "-Wno-fatal", "-Wno-lint", "-Wno-style")


@dataclass(frozen=True)
class Library:
    """The model of module ``top`` for a program, which finds its header ``V<top>.h``; else as `build_executable`."""

    top: str
    texts: dict[str, str]
    sources: tuple[Path, ...]
    title: str

    def cached(self) -> Path:
        """The archive; programs share it."""
        digest = hashlib.sha256(repr((self.top, self.texts, FLAGS, OPTIMIZE)).encode())
        for source in self.sources:
            digest.update(source.read_bytes())
        folder = cache_root() / "libraries" / digest.hexdigest()[:16]
        return _once(folder, self._archive(folder), lambda scratch: self.build(scratch, OPTIMIZE))

    def build(self, folder: Path, options: str) -> Path:
        archive = self._archive(folder)
        # make's own goal would be Verilator's library too, which the program brings.
        _verilate(folder, self.top, self.texts, self.sources, (*FLAGS, "-MAKEFLAGS", archive.name), options, self.title)
        return archive

    def _archive(self, folder: Path) -> Path:
        return folder / "objects" / f"V{self.top}__ALL.a"


def build_executable(folder: Path, top: str, generate: Callable[[], dict[str, str]], sources: Iterable[Path], *,
                     libraries: Callable[[], Iterable[Library]] = tuple, flags: Iterable[str] = FLAGS, title: str,
                     train: Callable[[Path], object] | None = None,
                     on_build: Callable[[], None] = lambda: None) -> Path:
    """The program of module ``top``, built unless ``folder`` has one; ``on_build`` is called if it has not.

    ``generate`` gives text by file name: Verilog is compiled, Verilator's configurations are heeded, anything else is
    there to be included. ``sources`` are compiled as well. ``train`` runs a program that counts where it goes, from
    start to regular end; it is then compiled once more for just that, libraries too. Whatever goes in must be told by
    the name of ``folder``. Raises `ToolchainError` with ``title`` and the first error when Verilator or the compiler
    fails.
    """
    def build(scratch: Path) -> None:
        on_build()
        needed, texts = list(libraries()), generate()

        def link(archives: list[Path], options: str, *more: str) -> None:
            headers = [part for archive in archives for part in ("-CFLAGS", f"-I{archive.parent}")]
            _verilate(scratch, top, texts, [*sources, *archives], ("--exe", *flags, *headers, *more), options, title)

        if train is None:
            link([library.cached() for library in needed], OPTIMIZE)
            return
        for options in (COUNTING, TRAINED):
            for old in [old for kind in ("o", "a", "gch") for old in scratch.rglob(f"*.{kind}")]:
                old.unlink()
            # Linked in both with the library that counts, so that Verilator has nothing to do in the second.
            link([library.build(scratch / library.top, options) for library in needed], options,
                 "-LDFLAGS", "-fprofile-generate")
            if options == COUNTING:
                train(_program(scratch, top))

    return _once(folder, _program(folder, top), build)


def _program(folder: Path, top: str) -> Path:
    return folder / "objects" / f"V{top}"


def _once(folder: Path, result: Path, build: Callable[[Path], None]) -> Path:
    """``result``, after ``build`` in what becomes ``folder`` unless it is there."""
    if result.exists():  # whole: it was put there at once; the cache may be one that cannot be written
        return result
    with build_lock(folder):
        if not result.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                build(Path(scratch))
                os.replace(scratch, folder)  # at once, so that an interrupted build leaves no half a model
                Path(scratch).mkdir()
    return result


def _verilate(folder: Path, top: str, texts: dict[str, str], sources: Iterable[Path], flags: Iterable[str],
              options: str, title: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        if not (folder / name).exists():  # or Verilator would do all again
            (folder / name).write_text(text)
    command = ["verilator", *flags, "-CFLAGS", "-I..", "--top-module", top, "--Mdir", "objects",
               *(name for name in texts if name.endswith((".v", ".vlt"))),
               *(str(source.absolute()) for source in sources)]
    result = run_tool(command, env=build_environment(options), cwd=folder)
    if result.returncode:
        output = (result.stdout + result.stderr).splitlines()
        reason = next((line for line in output if "error" in line.lower()), "no message")
        raise ToolchainError(f"building {title} failed: {reason.strip()}")
