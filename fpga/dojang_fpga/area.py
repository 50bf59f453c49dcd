"""What continuous integration watches: cells of a board's top after synthesis, and one placed block."""

from collections.abc import Callable
from pathlib import Path

from .boards import Board
from .build import netlist, synthesise
from .hierarchy import CELLS
from .report import measure

__all__ = ["LIMIT", "grown", "measure_area"]

LIMIT = 0.05
"""Growth that is named."""


def measure_area(board: Board, block: str, root: Path, progress: Callable[[str], None] = lambda step: None) -> dict:
    """Cells of the synthesised top of ``board`` with its default chip, and what ``block`` needs when placed alone.

    Stages are in ``root``. `ToolError` or `SynthesisError` if a tool is missing or fails.
    """
    config = board.chip()
    design = netlist(board, config, board.baud(), root / board.name, progress)
    mapped = synthesise(design, root / board.name, progress)
    cells = dict.fromkeys(CELLS.values(), 0)
    for cell, name in CELLS.items():
        cells[name] += mapped.cells.get(cell, 0)
    placed = measure([block], root / "blocks", progress=progress)["blocks"][block]
    return {"tops": {board.name: {"chip": config.name, **cells, "seconds": round(mapped.seconds)}},
            "blocks": {block: {name: placed[name] for name in ("comb", "ff", "dsp", "bram")}}}


def grown(now: dict, before: dict, limit: float = LIMIT) -> list[str]:
    """What is larger than it was by more than ``limit``, as text: "guard: comb 9,000 → 9,687 (+7.6 %)".

    Parameters
    ----------
    now, before: figures by name of top or block; what is not in both is not compared.
    """
    found = []
    for name in now:
        for figure, value in now[name].items():
            old = before.get(name, {}).get(figure)
            if figure not in ("seconds", "chip") and old is not None and value > old * (1 + limit):
                growth = f"+{value / old - 1:.1%}" if old else "from nothing"
                found.append(f"{name}: {figure} {old:,} → {value:,} ({growth})")
    return found
