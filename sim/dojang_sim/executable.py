"""Verilates a design, with a C++ main program of its own or as a library."""

import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from .toolchain import ToolchainError, build_environment, build_lock, run_tool

__all__ = ["FLAGS", "OPTIMIZE", "build_executable", "build_library"]

# Signals lie beside each other in one object. What is written one by one and read as a vector waits for the store, so a
# vectorised model is a quarter slower; and looking through all stores for what a load may see is a third of compiling.
OPTIMIZE = "-O2 -fno-tree-vectorize -fno-tree-slp-vectorize --param=sccvn-max-alias-queries-per-access=30"

FLAGS = ("--cc", "--build", "-j", "2", "-O3", "--x-assign", "fast", "--x-initial", "0", "--no-timing",
         "-Wno-fatal", "-Wno-lint", "-Wno-style")


def build_executable(folder: Path, top: str, generate: Callable[[], dict[str, str]], sources: Iterable[Path], *,
                     libraries: Callable[[], Iterable[Path]] = tuple, flags: Iterable[str] = FLAGS, title: str,
                     on_build: Callable[[], None] = lambda: None) -> Path:
    """The program of module ``top``, built unless ``folder`` has one; ``on_build`` is called if it has not.

    ``generate`` gives text by file name: Verilog is compiled, Verilator's configurations are heeded, anything else is
    there to be included. ``sources`` are compiled as well; ``libraries`` gives what `build_library` made. Whatever goes
    in must be told by the name of ``folder``. Raises `ToolchainError` with ``title`` and the first error when Verilator
    or the compiler fails.
    """
    def build(scratch: Path) -> None:
        on_build()
        archives = list(libraries())
        headers = [part for archive in archives for part in ("-CFLAGS", f"-I{archive.parent}")]
        _build(scratch, top, generate(), [*sources, *archives], ("--exe", *flags, *headers), title)

    return _once(folder, folder / "objects" / f"V{top}", build)


def build_library(folder: Path, top: str, texts: dict[str, str], sources: Iterable[Path] = (), *,
                  flags: Iterable[str] = FLAGS, title: str) -> Path:
    """The model of module ``top`` for other programs, its header ``V<top>.h`` beside it; else as `build_executable`."""
    archive = f"V{top}__ALL.a"
    # make's own goal would be Verilator's library too, which the program brings.
    return _once(folder, folder / "objects" / archive,
                 lambda scratch: _build(scratch, top, texts, sources, (*flags, "-MAKEFLAGS", archive), title))


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


def _build(folder: Path, top: str, texts: dict[str, str], sources: Iterable[Path], flags: Iterable[str],
           title: str) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text)
    command = ["verilator", *flags, "-CFLAGS", "-I..", "--top-module", top, "--Mdir", "objects",
               *(name for name in texts if name.endswith((".v", ".vlt"))),
               *(str(source.absolute()) for source in sources)]
    result = run_tool(command, env=build_environment(OPTIMIZE), cwd=folder)
    if result.returncode:
        output = (result.stdout + result.stderr).splitlines()
        reason = next((line for line in output if "error" in line.lower()), "no message")
        raise ToolchainError(f"building {title} failed: {reason.strip()}")
