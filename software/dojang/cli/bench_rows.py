"""``dojang bench rows``: what ways of giving out K/V memory hold."""

from pathlib import Path
from typing import Annotated

import typer

from ..allocation import SHORTEST, simulate
from .bench import BenchError
from .console import output, working
from .documents import keep, markdown, table_of
from .output_file import JsonFile, prepare

FIGURES = Path("docs/figures/rows.json")
DOCUMENT = Path("docs/decisions/0010-sequences.md")


def rows(
    longest: Annotated[int, typer.Option(min=SHORTEST, help="Positions of the longest sequences.")] = 2048,
    held: Annotated[int, typer.Option(min=1, help="Of the longest sequences, so many fit the K/V memory.")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="Of the simulation.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the lengths.")] = 0,
    json_file: JsonFile = None,
):
    """Sequences that run at once with a contiguous range of rows for each, as sessions do it, or with blocks.

    If FILE is docs/figures/rows.json, the table in docs/decisions/0010-sequences.md is made anew.

    Example: dojang bench rows --longest 512 --held 8 --json rows.json
    """
    prepare(json_file)
    if longest % 512:
        raise BenchError(f"sequences of {longest} positions were asked for, expected a multiple of 512")
    with working("sequences come and go"):
        ways = simulate(longest * held, longest, steps, seed)
    figures = {"label": "modelled", "shortest": SHORTEST, "longest": longest, "rows": longest * held, "steps": steps,
               "seed": seed, "ways": ways}
    keep(figures, json_file, FIGURES, DOCUMENT, {"rows": document_table})
    output.print(table_of(_rows(figures), f"sequences of {SHORTEST} to {longest:,} positions, memory for {held} of the "
                                          "longest"))


def _rows(figures: dict) -> list[list[str]]:
    return [["K/V memory is given out as", "sequences running (modelled)", "positions computed again"],
            *([way["way"], f"{way['running']:.1f}", f"{way['wasted']:.1%}"] for way in figures["ways"])]


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    return markdown(_rows(figures))
