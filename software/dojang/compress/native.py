"""Compiles this package's C++ on first use."""

import ctypes
import hashlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .errors import CompressError

__all__ = ["FLAGS", "compiled"]

FLAGS = ("-std=c++17", "-O3", "-march=native", "-ffp-contract=off", "-fPIC", "-shared")
"""Without contraction a machine with fused multiply-add computes the same as one without."""


def compiled(source: Path, flags: Sequence[str] = FLAGS) -> ctypes.CDLL:
    """The shared library of ``source``, built unless the cache has one of this text, flags and processor.

    Raises `CompressError` when g++ is missing or fails.
    """
    from dojang_sim.toolchain import build_lock, cache_root

    if not shutil.which("g++"):
        raise CompressError("missing system tool: g++ (on Debian: apt-get install g++)")
    # What -march=native means here: a library of another processor must not be taken.
    target = subprocess.run(["g++", *flags, "-Q", "--help=target"], capture_output=True).stdout
    key = hashlib.sha256(b"\0".join((source.read_bytes(), " ".join(flags).encode(), target))).hexdigest()[:16]
    path = cache_root() / f"{source.stem}-{key}.so"
    with build_lock(path):
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            result = subprocess.run(["g++", *flags, "-o", draft, source], capture_output=True, text=True)
            if result.returncode:
                raise CompressError(f"building {source.name} failed: {result.stderr.strip()[:400]}")
            os.replace(draft, path)
    return ctypes.CDLL(str(path))
