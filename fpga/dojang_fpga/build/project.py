"""Writes the project of a board that cannot be built here: Verilog, constraints and Tcl for AMD's Vivado."""

import re
from pathlib import Path

from amaranth.hdl import ClockDomain, ClockSignal, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import cdc, io, wiring
from amaranth.lib.wiring import In
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.guard.guard import Guard
from dojang_hdl.lpddr4.guarded import GuardedController
from dojang_hdl.memory import MemoryPort

from ..boards.project import Project
from ..system import ChipSystem, connect_pins
from .netlist import TOP

__all__ = ["ProjectTop", "write_project"]

VCO_HZ = 1_000_000_000


class ProjectTop(wiring.Component):
    """Chip, guard and, on an LPDDR4 board, the controller; what is missing behind them is an instance without content.

    Members are the platform's pins. ``boundary`` is known after elaboration: name, width and direction ("input",
    "output", "inout") of each port of the missing module.
    """

    def __init__(self, project: Project, config: ChipConfig, **chip):
        self._project, self._config, self._chip = project, config, chip
        self.boundary: list[tuple[str, int, str]] = []
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        project = self._project
        pins = project.pins(platform)
        m.submodules.system = system = ChipSystem(self._config, project.clock_hz, project.link.baud, **self._chip)
        self._clock(m, pins)
        if project.lpddr4 is None:
            m.submodules.guard = guarded = Guard(self._config.chunk)
            outside = wiring.flipped(guarded.memory)
            signature = MemoryPort()
        else:
            m.submodules.guard = guarded = GuardedController(project.lpddr4, self._config.chunk)
            outside, signature = wiring.flipped(guarded.phy), guarded.phy.signature
        wiring.connect(m, system.memory, guarded.port)
        wiring.connect(m, system.status, guarded.status)
        self._missing(m, signature, outside, pins)
        connect_pins(m, system, pins)
        return m

    def _clock(self, m, pins):
        project = self._project
        feedback, made, locked, released = Signal(), Signal(), Signal(), Signal()
        m.domains.sync = ClockDomain()
        m.submodules.clock = clock = io.Buffer("i", pins.clock)
        m.submodules.pll = Instance(
            "PLLE2_BASE", p_CLKIN1_PERIOD=1e9 / project.input_hz, p_CLKFBOUT_MULT=VCO_HZ // project.input_hz,
            p_CLKOUT0_DIVIDE=VCO_HZ // project.clock_hz, i_CLKIN1=clock.i, i_CLKFBIN=feedback, o_CLKFBOUT=feedback,
            o_CLKOUT0=made, o_LOCKED=locked, i_RST=0, i_PWRDWN=0)
        m.submodules.tree = Instance("BUFG", i_I=made, o_O=ClockSignal())
        m.d.comb += released.eq(locked)
        if pins.reset is not None:
            m.submodules.reset = reset = io.Buffer("i", pins.reset)
            # Both boards' buttons pull the pin down.
            m.d.comb += released.eq(locked & reset.i)
        m.submodules.reset_sync = cdc.ResetSynchronizer(~released)

    def _missing(self, m, signature, outside, pins):
        ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        self.boundary = [("clk", 1, "input"), ("rst", 1, "input")]
        for path, member, value in signature.flatten(outside):
            name, value = "_".join(map(str, path)), Value.cast(value)
            # The signature is the controller's view, this module is at its other side.
            ports[f"{'o' if member.flow == In else 'i'}_{name}"] = value
            self.boundary.append((name, len(value), "output" if member.flow == In else "input"))
        for name, pad in pins.memory.items():
            ports[f"io_{name}"] = pad
            self.boundary.append((name, len(pad), "inout"))
        m.submodules.missing = Instance(self._project.missing[0], **ports)


def write_project(project: Project, folder: Path, config: ChipConfig | None = None, **chip) -> list[Path]:
    """Write the files into ``folder``; returns their paths. ``config``, ``chip``: another chip, for tests."""
    platform = project.make_platform()
    top = ProjectTop(project, config or preset(project.chip), **chip)
    plan = platform.prepare(top, TOP)
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: content if isinstance(content, str) else content.decode() for name, content in plan.files.items()
             if name in (f"{TOP}.v", f"{TOP}.xdc", f"{TOP}.tcl")}
    files[f"{TOP}.v"] = re.sub(r"\(\* src = [^*]*\*\)\s*", "", files[f"{TOP}.v"])
    files[f"{project.missing[0]}.v"] = _interface(project, top.boundary)
    # The module's file is a source like the others.
    files[f"{TOP}.tcl"] = files[f"{TOP}.tcl"].replace("read_verilog", f"read_verilog {project.missing[0]}.v\nread_verilog", 1)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _interface(project: Project, boundary: list[tuple[str, int, str]]) -> str:
    name, what = project.missing
    ports = ",\n".join(f"  {direction} {f'[{width - 1}:0] ' if width > 1 else ''}{port}" for port, width, direction in boundary)
    return (f"// {what[0].upper()}{what[1:]}: nothing yet. Put yours in its place; docs/reference/boards.md says what\n"
            f"// goes through these ports.\n(* black_box *)\nmodule {name} (\n{ports}\n);\nendmodule\n")
