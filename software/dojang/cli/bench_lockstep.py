"""``dojang bench lockstep``: what a fixed rate is for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..checkpoints import load
from ..lockstep import BLOCKS, SPARSITIES, UNITS, Block, LockstepError, simulate
from ..plots import check_installed, draw_lockstep
from .console import console, output, working
from .documents import keep
from .output_file import JsonFile, prepare

FIGURES = Path("docs/figures/lockstep.json")
DOCUMENT = Path("docs/reference/fixed-rate.md")

TITLES = ("block", "mask", "S", "spread")
"""Of the columns before the times."""


def lockstep(
    model: Annotated[str | None, typer.Option(
        help="Also the masks of a model, each matrix pruned by magnitude: path of a model file, smollm2 or glassllm."
    )] = None,
    units: Annotated[list[int] | None, typer.Option(
        min=1, max=1 << 16, help="Units in lock step; any number of times, 4, 8, 16 ... 1024 if not given.")] = None,
    sparsity: Annotated[list[float] | None, typer.Option(
        help="Part of the weights that is pruned; any number of times, 0.5 ... 0.95 if not given.")] = None,
    block: Annotated[list[str] | None, typer.Option(
        metavar="ROWSxCOLUMNS", help="Weights a unit takes in a step; any number of times, 32x32 and 1x32 if not given."
    )] = None,
    count: Annotated[int, typer.Option(min=1, max=1 << 24, help="Blocks with a random mask.")] = 1 << 20,
    seed: Annotated[int, typer.Option(min=0, help="Of the random masks.")] = 0,
    json_file: JsonFile = None,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Draw them (needs matplotlib).")] = None,
):
    """Units in lock step on raw unstructured blocks, where each step waits for the fullest, against a fixed rate.

    If the JSON is docs/figures/lockstep.json, the table in docs/reference/fixed-rate.md is made anew.

    Example: dojang bench lockstep --model smollm2 --json lockstep.json --svg lockstep.svg
    """
    prepare(json_file)
    blocks = [Block.parse(text) for text in block] if block else list(BLOCKS)
    for each in sparsity or ():
        if not 0 < each < 1:
            raise LockstepError(f"a sparsity of {each:g} was asked for, expected a number between 0 and 1")
    if svg is not None:
        check_installed()
    prepare(svg)
    with working("reading the model") as progress:
        checkpoint = None if model is None else load(model)
        figures = simulate(units or UNITS, sparsity or SPARSITIES, blocks, count, seed, checkpoint, progress)
    keep(figures, json_file, FIGURES, DOCUMENT, {"lockstep": document_table})
    if svg is not None:
        draw_lockstep(figures, svg)
        console.print(f"picture: {svg}")
    table = Table(title="time in lock step ÷ time at the fixed rate, by units (simulated)")
    for title in (*TITLES, *(f"{figures['units'][place]:,}" for place in _places(figures))):
        table.add_column(title, no_wrap=True)
    for row in rows(figures):
        table.add_row(*row)
    output.print(table)


def _places(figures: dict) -> range:
    """Of the times that fit beside each other: all, or every other one."""
    return range(0, len(figures["units"]), 2 if len(figures["units"]) > 6 else 1)


def rows(figures: dict) -> list[list[str]]:
    """A row per curve: block, mask, sparsity, spread, times."""
    places = _places(figures)
    return [[curve["block"].replace("x", " × "), curve["mask"], f"{curve['sparsity']:g}", f"{curve['spread']:.2f}",
             *(f"{curve['time'][place]:.2f}" for place in places)] for curve in figures["curves"]]


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    titles = [*TITLES, *(f"{figures['units'][place]:,} units" for place in _places(figures))]
    lines = [titles, ["---", "---", *["--:"] * (len(titles) - 2)], *rows(figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
