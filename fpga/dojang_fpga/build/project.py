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

    The platform gets that module's interface as a file. Otherwise as `dojang_fpga.top.BoardTop`.
    """

    def __init__(self, project: Project, config: ChipConfig, **chip):
        self._project, self._config, self._chip = project, config, chip
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        project = self._project
        pins = project.pins(platform)
        m.submodules.system = system = ChipSystem(self._config, project.clock_hz, project.link.baud, **self._chip)
        self._clock(m, pins)
        if project.lpddr4 is None:
            m.submodules.guard = guarded = Guard(self._config.chunk, self._config.gathered_clusters)
            outside = wiring.flipped(guarded.memory)
            signature = MemoryPort()
        else:
            m.submodules.guard = guarded = GuardedController(
                project.lpddr4, self._config.chunk, self._config.gathered_clusters)
            outside, signature = wiring.flipped(guarded.phy), guarded.phy.signature
        wiring.connect(m, system.memory, guarded.port)
        wiring.connect(m, system.status, guarded.status)
        self._missing(m, signature, outside, pins, platform)
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

    def _missing(self, m, signature, outside, pins, platform):
        ports = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in signature.flatten(outside):
            # The signature is the controller's view, this module is at its other side.
            ports[f"{'o' if member.flow == In else 'i'}_{'_'.join(map(str, path))}"] = Value.cast(value)
        ports |= {f"io_{name}": pad for name, pad in pins.memory.items()}
        name, what = self._project.missing
        m.submodules.missing = Instance(name, **ports)
        platform.add_file(f"{name}.v", _interface(name, what, {port: len(value) for port, value in ports.items()}))


def _interface(name: str, what: str, ports: dict[str, int]) -> str:
    """An empty module with the ports of an `Instance`."""
    directions = {"i": "input", "o": "output", "io": "inout"}
    lines = []
    for port, width in ports.items():
        direction, port = port.split("_", 1)
        lines.append(f"  {directions[direction]} {f'[{width - 1}:0] ' if width > 1 else ''}{port}")
    return (f"// {what[0].upper()}{what[1:]}: nothing yet. Put yours in its place; docs/reference/boards.md says what\n"
            f"// goes through these ports.\n(* black_box *)\nmodule {name} (\n" + ",\n".join(lines) +
            "\n);\nendmodule\n")


def write_project(project: Project, folder: Path, config: ChipConfig | None = None, **chip) -> list[Path]:
    """Write the files into ``folder``; returns their paths. ``config``, ``chip``: another chip, for tests."""
    platform = project.make_platform()
    top = ProjectTop(project, config or preset(project.chip), **chip)
    plan = platform.prepare(top, TOP)
    folder.mkdir(parents=True, exist_ok=True)
    names = (f"{TOP}.v", f"{TOP}.xdc", f"{TOP}.tcl", f"{project.missing[0]}.v")
    for name in names:
        content = plan.files[name]
        text = content if isinstance(content, str) else content.decode()
        (folder / name).write_text(re.sub(r"\(\* src = [^*]*\*\)\s*", "", text), encoding="utf-8")
    return [folder / name for name in names]
