"""Builds the simulation of a design at the pins of its FPGA; kept by the content of everything that goes into it."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import amaranth
import dojang_hdl
from amaranth.build.plat import TemplatedPlatform
from amaranth.hdl import Elaboratable
from amaranth.lib.wiring import Component

from ..executable import FLAGS, OPTIMIZE, build_executable
from ..netlist import to_verilog
from ..toolchain import cache_root
from .netlist import board_netlist
from .pins import PINS_MODULE, Chip, Wiring, pins_verilog

__all__ = ["PRIMITIVES", "Design", "build_pins"]

_HERE = Path(__file__).parent

PRIMITIVES = _HERE / "ecp5_primitives.v"
"""All that stands in the place of something of the FPGA's maker."""

TOP = "board_top"

# What is worth inlining yosys has flattened; the nodes are one function.
BOARD_FLAGS = (*FLAGS, "-fno-inline")


@dataclass(frozen=True)
class Design:
    """A top for a platform, and what surrounds it.

    Parameters
    ----------
    name: for messages and the build's folder.
    make: platform and top, made anew at each call.
    wiring: of the pins.
    parts: components that the top has as black boxes, by the names of their modules.
    chips: beside the FPGA.
    models: Verilog and C++ of models that are inside the top's netlist.
    origins: Python files, besides the hardware's, that the top and its netlist come from.
    key: what else tells this design from others.
    """

    name: str
    make: Callable[[], tuple[TemplatedPlatform, Elaboratable]]
    wiring: Wiring
    parts: Callable[[], dict[str, Component]] = dict
    chips: tuple[Chip, ...] = ()
    models: tuple[Path, ...] = ()
    origins: tuple[Path, ...] = ()
    key: object = None

    @property
    def sources(self) -> tuple[Path, ...]:
        return (PRIMITIVES, *self.models, *(source for chip in self.chips for source in chip.sources))


def build_pins(design: Design, on_build: Callable[[], None] = lambda: None) -> Path:
    """The executable, built unless it is there already; ``on_build`` is called if it is not.

    Raises `ToolchainError` with the first error when Verilator or the compiler fails.
    """
    digest = hashlib.sha256(repr((design.key, design.wiring, design.chips, BOARD_FLAGS, OPTIMIZE,
                                  amaranth.__version__)).encode())
    for source in _inputs(design):
        digest.update(source.read_bytes())
    folder = cache_root() / "boards" / f"{design.name}-{digest.hexdigest()[:16]}"

    def generate() -> dict[str, str]:
        converted = board_netlist(*design.make(), TOP)
        parts = {f"{name}.v": to_verilog(part, name, flatten=True) for name, part in design.parts().items()}
        return {**converted.texts, **parts, f"{PINS_MODULE}.v": pins_verilog(converted, design.wiring, design.chips)}

    return build_executable(folder, PINS_MODULE, generate, (*design.sources, _HERE / "main.cpp"), flags=BOARD_FLAGS,
                            title=f"the simulation of {design.name}", on_build=on_build)


def _inputs(design: Design) -> Iterable[Path]:
    hardware = sorted(Path(dojang_hdl.__file__).parent.rglob("*.py"))
    return [*hardware, Path(inspect.getfile(to_verilog)), *sorted(_HERE.glob("*.py")), *sorted(_HERE.glob("*.[hc]*")),
            *design.sources, *design.origins]
