"""``dojang bench faults``: what becomes of faults of a guarded memory."""

import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.lpddr4.timing import Lpddr4Config
from rich.table import Table

from .bench import BenchError
from .console import output, working
from .documents import update_document
from .output_file import JsonFile, prepare, write_json

FIGURES = Path("docs/figures/guard-faults.json")
DOCUMENT = Path("docs/reference/guard.md")

CONFIG = Lpddr4Config(rate=3200, density=4, init_divisor=1000)

OUTCOMES = {"nothing": "nothing wrong", "put right": "put right", "error": "error", "silent": "silent",
            "stopped": "hung"}
"""Headings by `dojang.faults.Outcome`."""


def faults(
    count: Annotated[int, typer.Option(min=1, help="Faults of each kind.")] = 20,
    json_file: JsonFile = None,
):
    """Faults of every kind in a simulated LPDDR4 channel, and whether its guard notices.

    If FILE is docs/figures/guard-faults.json, the table in docs/reference/guard.md is made anew.
    The exit code is 2 if the guard does not do what it promises for a kind.

    Example: dojang bench faults --count 2 --json figures.json
    """
    prepare(json_file)
    from dojang_sim.lpddr4.traffic import build_lpddr4_traffic

    from ..faults import KINDS, MEMORY, campaign

    started = time.perf_counter()
    kinds, broken = [], []
    with working("building the simulated channel") as progress:
        channel = build_lpddr4_traffic(CONFIG, MEMORY.tile)
        for kind in KINDS:
            progress(kind.description)
            trials = list(campaign(channel, MEMORY, [kind], count))
            outcomes = Counter(str(trial.outcome) for trial in trials)
            kinds.append({"description": kind.description, "promise": str(kind.promise), "faults": count,
                          **{name: outcomes[name] for name in OUTCOMES}})
            broken += [f"{kind.description}, number {trial.number} ({trial.outcome})"
                       for trial in trials if not trial.kept]
    figures = {"rate": CONFIG.rate, "tile": MEMORY.tile, "kinds": kinds, "wall_seconds": time.perf_counter() - started}
    write_json(json_file, figures, ascii_only=False)
    if json_file == FIGURES:
        update_document(DOCUMENT, figures, {"faults": document_table})
    output.print(_table(figures))
    if broken:
        raise BenchError(f"not as promised: {', '.join(broken)}")


def rows(figures: dict) -> list[list[str]]:
    """A row per kind: description, promise, faults, outcomes."""
    return [[kind["description"], kind["promise"], str(kind["faults"]),
             *(str(kind[name] or "") for name in OUTCOMES)] for kind in figures["kinds"]]


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    lines = [["fault", "promised", "tried", *OUTCOMES.values()], ["---", "---", *["--:"] * (1 + len(OUTCOMES))],
             *rows(figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _table(figures: dict) -> Table:
    table = Table("fault", "promised", "tried", *OUTCOMES.values(), title=f"LPDDR4-{figures['rate']}")
    for row in rows(figures):
        table.add_row(*row)
    return table
