"""``dojang area``: whether the hardware has grown."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import DojangError
from .boards import import_board_packages
from .console import console, working
from .output_file import write_json

FIGURES = Path("docs/figures/area.json")
BLOCKS = Path("docs/figures/fpga.json")


def area(
    board: Annotated[str, typer.Option(help="Whose top is synthesised.")] = "ulx3s",
    block: Annotated[str, typer.Option(help="What is placed alone, as in dojang report.")] = "router",
    update: Annotated[bool, typer.Option("--update", help="Keep the top's cells as the new figures.")] = False,
):
    """Synthesise a board's top, place one block, and compare both with docs/figures/area.json and fpga.json.

    Exit code 1 if a figure has grown by more than 5 %. A few minutes; it needs the extra `board`.

    Example: dojang area --update
    """
    import_board_packages("area")
    from dojang_fpga.area import LIMIT, grown, measure_area
    from dojang_fpga.boards import BoardError
    from dojang_fpga.boards import board as find
    from dojang_fpga.synth import SynthesisError
    from dojang_fpga.tools import ToolError

    known = _read(FIGURES)
    try:
        with working("area") as progress:
            now = measure_area(find(board), block, Path("build/stages"), lambda step: progress(f"area: {step}"))
    except (BoardError, ToolError, SynthesisError) as error:
        raise DojangError(str(error)) from None
    for name, figures in (now["tops"] | now["blocks"]).items():
        console.print(f"{name}: " + ", ".join(f"{figure} {value:,}" if isinstance(value, int) else value
                                               for figure, value in figures.items()))
    if update:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        kept = {"command": "dojang area --update", "label": "cells after synthesis, before packing",
                "tops": {**known.get("tops", {}), **now["tops"]}}
        write_json(FIGURES, kept, ascii_only=False)
        console.print(f"figures: {FIGURES}")
        return
    larger = [*grown(now["tops"], known.get("tops", {})), *grown(now["blocks"], _read(BLOCKS).get("blocks", {}))]
    if larger:
        console.print(f"dojang: grown by more than {LIMIT:.0%}: {'; '.join(larger)} (dojang area --update or dojang "
                   "report keeps the new figures)")
        raise typer.Exit(1)
    console.print(f"nothing has grown by more than {LIMIT:.0%}")


def _read(path: Path) -> dict:
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DojangError(f"{path} is not a file of figures: {error}") from None
