"""All stages, and the figures of what they made."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dojang_hdl.config import ChipConfig

from ..boards import Board
from ..tools import ECPPACK, NEXTPNR, YOSYS, run
from .netlist import TOP, netlist
from .place import Placement, place
from .stage import Stage
from .synthesis import synthesise

__all__ = ["Bitstream", "build"]

CELLS = {"comb": "TRELLIS_COMB", "ff": "TRELLIS_FF", "dsp": "MULT18X18D", "bram": "DP16KD"}
"""Figure, and its name in nextpnr's report."""


@dataclass(frozen=True)
class Bitstream:
    """A bitstream and its figures; docs/reference/boards.md says what each means."""

    path: Path
    figures: dict

    @property
    def timing_met(self) -> bool:
        return self.figures["timing_met"]


def build(board: Board, config: ChipConfig, baud: int, seeds: Sequence[int], folder: Path, root: Path,
          together: int | None = None, progress: Callable[[str], None] = lambda step: None,
          finished: Callable[[str, float], None] = lambda stage, seconds: None) -> Bitstream:
    """Make the bitstream of a board in ``folder``, even if its clocks are too slow.

    Stages are in ``root``; what was made before from the same content is not made again. ``progress`` gets what is
    being done; ``finished`` a stage and its seconds, those of when it was made. `ToolError` if a tool is missing or
    fails.
    """
    for tool in (YOSYS, NEXTPNR, ECPPACK):
        tool.require()
    seconds = {}
    folder.mkdir(parents=True, exist_ok=True)

    def done(stage, took):
        seconds[stage] = took
        finished(stage, took)

    design = netlist(board, config, baud, root, progress)
    done("netlist", design.seconds)
    mapped = synthesise(design, root, progress)
    done("synthesis", mapped.seconds)
    placed = place(design, mapped, seeds, root, together, progress)
    done("place_and_route", placed.seconds)
    packed, took = _pack(placed, root, progress)
    done("pack", took)
    path = folder / f"{config.name}.bit"
    shutil.copy(packed, path)
    return Bitstream(path, _figures(board, config, baud, placed, seconds))


def _pack(placed: Placement, root: Path, progress) -> tuple[Path, float]:
    progress("pack")
    stage = Stage(root, "pack", ECPPACK.version, placed.config)
    if not stage.complete:
        stage.begin((placed.config,))
        run(ECPPACK, stage.folder, "ecppack.log", "--compress", "--input", placed.config.name, "--bit", f"{TOP}.bit")
        stage.finish()
    return stage.folder / f"{TOP}.bit", stage.seconds


def _figures(board: Board, config: ChipConfig, baud: int, placed: Placement, seconds: dict[str, float]) -> dict:
    return {
        "board": board.name, "chip": config.name, "baud": baud, "seed": placed.seed,
        "timing_met": placed.timing_met,
        "clocks": {name: {"constraint_mhz": clock.constraint_mhz, "fmax_mhz": clock.fmax_mhz}
                   for name, clock in placed.clocks.items()},
        **{name: placed.report["utilization"][cell]["used"] for name, cell in CELLS.items()},
        "available": {name: placed.report["utilization"][cell]["available"] for name, cell in CELLS.items()},
        "clock_hz": board.clock_hz,
        "peak_bytes_per_s": board.peak_bytes_per_s,
        "plane_bits_per_s": config.plane_bits_per_cycle * board.clock_hz,
        "dram_bits_per_s": 8 * board.peak_bytes_per_s,
        # At 4.5 bits a weight, half a bit is scale and offset.
        "dram_plane_bits_per_s": 8 * board.peak_bytes_per_s * 4 / 4.5,
        "seconds": seconds,
        "tools": {tool.package: tool.version for tool in (YOSYS, NEXTPNR)},
    }
