"""The second stage: yosys."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..tools import SYNTH_ECP5, YOSYS, run
from .netlist import TOP, Netlist
from .stage import Stage

__all__ = ["Synthesis", "synthesise"]


@dataclass(frozen=True)
class Synthesis:
    """The mapped netlist for nextpnr, and how often each cell is in it."""

    json: Path
    cells: dict[str, int]
    seconds: float


def synthesise(design: Netlist, root: Path, progress: Callable[[str], None] = lambda step: None) -> Synthesis:
    """Map a netlist to the cells of an ECP5; kept in ``root`` by content."""
    script = "\n".join((*(f"read_verilog {path.name}" for path in design.verilog), f"read_rtlil {design.rtlil.name}",
                        f"{SYNTH_ECP5} -top {TOP} -json {TOP}.json",
                        "tee -q -o stat.json stat -json"))
    files = (design.rtlil, *design.verilog)
    stage = Stage(root, "synthesis", YOSYS.version, script, *files)
    if not stage.complete:
        stage.begin(files)
        (stage.folder / "run.ys").write_text(script + "\n")
        run(YOSYS, stage.folder, "yosys.log", "-q", "-l", "yosys.log", "run.ys",
            waiting=lambda: progress(f"synthesis, {stage.elapsed:.0f} s"))
        stage.finish()
    cells = json.loads((stage.folder / "stat.json").read_text())["design"]["num_cells_by_type"]
    return Synthesis(stage.folder / f"{TOP}.json", cells, stage.seconds)
