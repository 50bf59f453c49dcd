"""Compiles the software's C++ on first use."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import DojangError

__all__ = ["FLAGS", "NativeError", "compiled"]

FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")
"""Without contraction a machine with fused multiply-add computes the same as one without."""


class NativeError(DojangError):
    """C++ cannot be compiled, kept or loaded here."""


def compiled(source: Path, flags: Sequence[str] = FLAGS,
             on_build: Callable[[], None] = lambda: None) -> ctypes.CDLL:
    """The shared library of ``source``, built unless the cache has one of this text, flags and processor.

    Headers are the ``*.h`` beside the source. ``on_build`` is called before the compiler is.

    Raises
    ------
    NativeError: g++ is missing or fails, or what is in the cache cannot be loaded.
    ToolchainError: the cache cannot be written.
    """
    from dojang_sim.toolchain import build_lock, cache_root

    if not shutil.which("g++"):
        raise NativeError("missing system tool: g++ (on Debian: apt-get install g++)")
    # What -march=native means here: a library of another processor must not be taken.
    target = subprocess.run(["g++", *flags, "-Q", "--help=target"], capture_output=True).stdout
    files = (source, *sorted(source.parent.glob("*.h")))
    key = hashlib.sha256(b"\0".join((*(file.read_bytes() for file in files), " ".join(flags).encode(), target)))
    path = cache_root() / f"{source.stem}-{key.hexdigest()[:16]}.so"
    with build_lock(path):
        if not path.exists():
            on_build()
            _build(source, flags, path)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise NativeError(f"compiled code cannot be loaded from the cache: {error}") from None


def _build(source: Path, flags: Sequence[str], path: Path) -> None:
    """Compile to another name beside ``path``, then put it in place."""
    from dojang_sim.toolchain import run_tool

    draft = path.with_suffix(f".{os.getpid()}")
    try:
        result = run_tool(["g++", *flags, "-o", str(draft), str(source)])
        if result.returncode:
            raise NativeError(f"building {source.name} failed: {result.stderr.strip()[:400]}")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
