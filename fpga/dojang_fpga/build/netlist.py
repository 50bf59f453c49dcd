"""The first stage: what yosys reads, and the pins."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

import dojang_hdl
from dojang_hdl.config import ChipConfig

from ..boards import Board
from .stage import Stage, digest

__all__ = ["Netlist", "netlist"]

TOP = "top"
PACKAGES = ("amaranth", "amaranth-boards", "litedram", "litex")


@dataclass(frozen=True)
class Netlist:
    """Files of a design: RTLIL of the top, Verilog of what it instantiates, constraints; and the FPGA's options.

    ``clock_hz`` is the core clock's; ``synchronous``: what crosses from one clock to another has the faster one's time.
    """

    rtlil: Path
    verilog: tuple[Path, ...]
    constraints: Path
    device: tuple[str, ...]
    clock_hz: float
    synchronous: bool
    seconds: float


def netlist(board: Board, config: ChipConfig, baud: int, root: Path,
            progress: Callable[[str], None] = lambda step: None) -> Netlist:
    """Elaborate the board's top for its platform; kept in ``root`` by all sources it is made from."""
    progress("netlist")
    stage = Stage(root, "netlist", board.name, repr(asdict(config)), str(baud), _sources(),
                  *(f"{package} {metadata.version(package)}" for package in PACKAGES))
    platform = board.make_platform()
    stage.make((), lambda folder: _write(board, config, baud, platform, folder))
    return Netlist(stage.folder / f"{TOP}.il", tuple(sorted(stage.folder.glob("*.v"))), stage.folder / f"{TOP}.lpf",
                   _device(platform), board.clock_hz, board.dram.kind == "sdr", stage.seconds)


def _sources() -> str:
    """A digest of all of the project's hardware."""
    folders = (Path(__file__).parents[1], Path(str(dojang_hdl.__file__)).parent)
    return digest(*(path for folder in folders for path in sorted(folder.rglob("*.py"))))


def _write(board, config, baud, platform, folder):
    from ..top import BoardTop

    plan = platform.prepare(BoardTop(board, config, baud), TOP)
    for name, content in plan.files.items():
        if name.endswith((".il", ".lpf", ".v")) and not name.endswith(".debug.v"):
            text = content if isinstance(content, str) else content.decode()
            # Source locations are a third of the text, and differ from one checkout to the next.
            (folder / name).write_text(re.sub(r"(?m)^\s*attribute \\src .*\n", "", text))


def _device(platform) -> tuple[str, ...]:
    options = platform._nextpnr_device_options, platform._nextpnr_package_options
    return (options[0][platform.device], "--package", options[1][platform.package].upper(), "--speed", platform.speed)
