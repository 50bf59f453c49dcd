"""``dojang profile``: where the cycles of a token go."""

from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import preset
from rich.table import Table

from ..plots import PlotError, check_installed
from ..sessions import Memory
from .console import console, output, working
from .model_argument import MEASURED_HELP, load_measured
from .options import DEFAULT_CHIP, MemoryOption, SimulatedChip, UsageError, Weights
from .output_file import prepare, write_json

CONTEXT = 2048
"""Positions reserved, as `dojang generate` does."""


def profile(
    model: Annotated[str, typer.Argument(help=MEASURED_HELP)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files go.")] = Path("build/profile"),
    chip: SimulatedChip = DEFAULT_CHIP,
    memory: MemoryOption = Memory.LPDDR4,
    position: Annotated[int, typer.Option(min=0, help="Of the first token; the cache before it is empty.")] = 16,
    prefill: Annotated[int, typer.Option(min=0, help="Tokens of a prompt, several a pass, before the others.")] = 0,
    tokens: Annotated[int, typer.Option(min=0, help="Tokens decoded one by one.")] = 1,
    sequences: Annotated[int, typer.Option(min=1, help="Sequences that decode together, one token each a pass.")] = 1,
    layer: Annotated[int | None, typer.Option(min=0, help="Of the picture; the middle one if left out.")] = None,
    weights: Weights = 8,
):
    """Simulate some tokens and write where their cycles go: figures, a timeline, and two pictures.

    Example: dojang profile glassllm --chip sim-1x1 --out build/profile
    """
    from ..profile import draw_layer, draw_roofline, figures_of, run_profiled, trace_events  # the simulator with it

    config = preset(chip)
    files = {name: out / name for name in ("profile.json", "timeline.json", "timeline.svg", "roofline.svg")}
    for file in files.values():
        prepare(file, model)
    with working("reading the model") as progress:
        checkpoint = load_measured(model, weights)
        layers, context = checkpoint.shape.layers, min(CONTEXT, checkpoint.shape.context)
        if layer is not None and layer >= layers:
            raise UsageError(f"--layer {layer} was given, expected 0 to {layers - 1}")
        run = run_profiled(checkpoint, config, memory, position, prefill, tokens, sequences, context, progress)
        progress("writing figures and timeline")
        figures = {"model": checkpoint.name, "chip": config.name, "memory": memory.value, **figures_of(run, config)}
        write_json(files["profile.json"], figures)
        write_json(files["timeline.json"], trace_events(run.passes, config), indent=0)
        try:
            check_installed()
            progress("drawing")
            draw_layer(run.passes[-1], config, layers // 2 if layer is None else layer, files["timeline.svg"])
            draw_roofline(figures, config, files["roofline.svg"])
        except PlotError as error:
            console.print(f"no pictures: {error}")
    for found in figures["passes"]:
        output.print(_causes(found))
        output.print(_phases(found))
    for name, file in files.items():
        if file.exists():
            output.print(f"{file}{': open it with ui.perfetto.dev or chrome://tracing' * (name == 'timeline.json')}")


def _title(found: dict) -> str:
    return (f"{found['tokens']} token{'s' * (found['tokens'] > 1)} at position {found['position']}: "
            f"{found['cycles']:,} cycles, simulated")


def _causes(found: dict) -> Table:
    """What each memory port did."""
    channels = found["channels"]
    table = Table("memory port", *(f"channel {index}" for index in range(len(channels))), title=_title(found))
    for name in channels[0]["causes"]:
        counts = [channel["causes"][name] for channel in channels]
        if any(counts):
            table.add_row(name, *(f"{count:,} ({count / found['cycles']:.2%})" for count in counts))
    return table


def _phases(found: dict) -> Table:
    table = Table("phase", "cycles", "share", "ports busy", title=_title(found))
    for name, phase in found["phases"].items():
        busy, every = phase["port_cycles"].get("busy", 0), sum(phase["port_cycles"].values())
        table.add_row(name, f"{phase['cycles']:,.0f}", f"{phase['share']:.2%}", f"{busy / every:.1%}" if every else "")
    return table
