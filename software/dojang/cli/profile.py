"""``dojang profile``: where the cycles of a token go."""

from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import PRESETS, preset
from rich.table import Table

from ..checkpoints import load
from ..profile import run_profiled, totals, trace_events
from ..sessions import Memory
from .console import output, working
from .model_argument import MODEL_HELP
from .output_file import prepare, write_json

CONTEXT = 2048
"""Positions reserved, as `dojang generate` does."""


def profile(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("build/profile"),
    chip: Annotated[str, typer.Option(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")] = "sim-2x2",
    memory: Annotated[Memory, typer.Option(help="LPDDR4 with its controller, or a word every cycle.")] = Memory.LPDDR4,
    position: Annotated[int, typer.Option(min=0, help="Of the first token; what is before it is zeros.")] = 16,
    prefill: Annotated[int, typer.Option(min=0, help="Tokens of a prompt, several a pass, before the others.")] = 0,
    tokens: Annotated[int, typer.Option(min=0, help="Tokens decoded one by one.")] = 1,
    weights: Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")] = 8,
):
    """Simulate some tokens and write where their cycles go.

    Example: dojang profile glassllm --chip sim-1x1 --out build/profile
    """
    config = preset(chip)
    figures_file, timeline_file = out / "profile.json", out / "timeline.json"
    for file in (figures_file, timeline_file):
        prepare(file, model)
    with working("reading the model") as progress:
        checkpoint = load(model, weights)
        context = min(CONTEXT, checkpoint.shape.context)
        passes = run_profiled(checkpoint, config, memory, position, prefill, tokens, context, progress)
        figures = {"model": checkpoint.name, "chip": config.name, "memory": memory.value, "simulated": True,
                   "passes": [totals(each, config) for each in passes]}
        progress("writing the timeline")
        write_json(timeline_file, trace_events(passes, config), indent=0)
    write_json(figures_file, figures)
    for found in figures["passes"]:
        output.print(_table(found))
    output.print(f"figures: {figures_file}\ntimeline: {timeline_file} (ui.perfetto.dev or chrome://tracing open it)")


def _table(found: dict) -> Table:
    """Cycles by cause, a column for each channel."""
    causes = found["channels"]
    table = Table("cycles", *(f"channel {index}" for index in range(len(causes))), title=(
        f"{found['tokens']} token at position {found['position']}: {found['cycles']:,} cycles (simulated)"))
    for name in causes[0]["causes"]:
        counts = [channel["causes"][name] for channel in causes]
        if any(counts):
            table.add_row(name, *(f"{count:,} ({count / found['cycles']:.2%})" for count in counts))
    return table
