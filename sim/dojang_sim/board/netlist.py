"""The Verilog of a board top: what the board's platform hands to yosys, in the form that Verilator simulates."""

import re
from dataclasses import dataclass

from amaranth.build.plat import TemplatedPlatform
from amaranth.hdl import Elaboratable

from ..netlist import rtlil_to_verilog

__all__ = ["BoardNetlist", "Port", "board_netlist"]

_TOP_PORT = re.compile(r"^  wire width (\d+) (input|output|inout) \d+ +\\(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Port:
    """A port of the top, that is pins of the FPGA. ``direction``: "input", "output" or "inout"."""

    name: str
    width: int
    direction: str


@dataclass(frozen=True)
class BoardNetlist:
    """Module ``name`` with ``ports``; ``texts``: Verilog by file name."""

    name: str
    ports: tuple[Port, ...]
    texts: dict[str, str]


def board_netlist(platform: TemplatedPlatform, top: Elaboratable, name: str) -> BoardNetlist:
    """Elaborate ``top`` as for a bitstream, vendor primitives and all, with the files that it adds to the platform.

    The RTLIL is the text that the platform's script gives to yosys; yosys only makes Verilog of it.
    """
    plan = platform.prepare(top, name, debug_verilog=False)
    rtlil = str(plan.files[f"{name}.il"])
    texts = {file: str(plan.files[file]) for file in platform.iter_files(".v", ".sv")}
    texts[f"{name}.v"] = rtlil_to_verilog(rtlil, name, flatten=True)
    return BoardNetlist(name, _ports(rtlil, name), texts)


def _ports(rtlil: str, name: str) -> tuple[Port, ...]:
    start = rtlil.index(f"module \\{name}\n")
    body = rtlil[start:rtlil.index("\nend\n", start)]
    return tuple(Port(port, int(width), direction) for width, direction, port in _TOP_PORT.findall(body))
