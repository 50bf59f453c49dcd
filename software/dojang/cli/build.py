"""``dojang build``: from a board's name to its bitstream."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import DojangError
from .boards import import_board_packages
from .console import console, output, working
from .output_file import write_json

OUT = Path("build/bitstream")
STAGES = Path("build/stages")
MODELS = ("smollm2", "glassllm")


def build(
    name: Annotated[str, typer.Argument(metavar="BOARD", help="One of those that `dojang boards` lists.")],
    chip: Annotated[str | None, typer.Option(metavar="PRESET", show_default=False,
                    help="Chip to build; the board's first one without.")] = None,
    seeds: Annotated[list[int] | None, typer.Option("--seed", min=1, show_default=False, help="Placement to try, may "
                     "be repeated: in this order until timing is met. 1 to 4 without.")] = None,
    baud: Annotated[int | None, typer.Option(show_default=False,
                    help="Rate of the serial port; the board's fastest without.")] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The bitstream goes to DIR/BOARD.")] = OUT,
    jobs: Annotated[int, typer.Option(min=1, show_default=False, help="Placements at a time; each takes a core and 2 "
                                      "GB. 2 without, or 1 on a single core.")] = min(2, os.cpu_count() or 1),
):
    """Make a bitstream: netlist, synthesis (yosys), place and route (nextpnr), pack (ecppack).

    Each stage is kept in build/stages by what it is made from, so that it is not made again after Ctrl-C. YOSYS,
    NEXTPNR_ECP5 and ECPPACK name native tools; without, those of the extra `board` are used. Exit code 1 if the clocks
    are too slow with every seed.

    Example: dojang build ecpix5 --seed 1 --seed 2
    """
    import_board_packages("build")
    from dojang_fpga.boards import BoardError, board
    from dojang_fpga.boards.projects import PROJECTS
    from dojang_fpga.build import build as make
    from dojang_fpga.build.project import write_project
    from dojang_fpga.tools import ToolError

    if name in PROJECTS:
        folder = out / name
        with working(f"{name}: netlist"):
            write_project(PROJECTS[name], folder)
        console.print(f"project: {folder} (needs AMD's Vivado, which is not part of this: vivado -mode batch -source "
                       "top.tcl)")
        return
    started = time.monotonic()
    try:
        target = board(name)
        config, baud = target.chip(chip), target.baud(baud)
        with working(name) as progress:
            result = make(target, config, baud, seeds or range(1, 5), out / name, STAGES / name, jobs,
                          lambda step: progress(f"{name}: {step} (at {time.monotonic() - started:.0f} s)"),
                          lambda stage, seconds: console.print(f"{stage}: {seconds:,.0f} s"))
    except (BoardError, ToolError) as error:
        raise DojangError(str(error)) from None
    figures = {**result.figures, **_predicted(target, config)}
    path = result.path.with_suffix(".json")
    write_json(path, figures, ascii_only=False)
    show(figures)
    console.print(f"bitstream: {result.path}; figures: {path}; stages and logs: {STAGES / name}")
    if not result.timing_met:
        slow = ", ".join(f"{clock} {figures['fmax_mhz']:.1f} MHz of {figures['constraint_mhz']:.1f} MHz"
                         for clock, figures in figures["clocks"].items()
                         if figures["fmax_mhz"] < figures["constraint_mhz"])
        console.print(f"dojang: {name} with chip {config.name} does not meet timing with any seed tried; the best, "
                      f"seed {figures['seed']}: {slow}")
        raise typer.Exit(1)


def _predicted(target, config) -> dict:
    """Tokens per second of the largest model that is here and fits."""
    from ..checkpoints import load
    from ..prediction import efficiency, predict

    for model in MODELS:
        try:
            with working(f"predicting {model}"):
                predicted = predict(load(model, 8), config, target.peak_bytes_per_s, efficiency(target.name))
        except DojangError:
            continue
        return {"tokens_per_s": predicted.tokens_per_s, "tokens_per_s_from": predicted.as_json()}
    return {"tokens_per_s": None}


def show(figures: dict) -> None:
    """The table at the end."""
    table = Table("figure", "", title=f"{figures['board']}, chip {figures['chip']}, seed {figures['seed']}")
    for name, clock in figures["clocks"].items():
        met = "met" if clock["fmax_mhz"] >= clock["constraint_mhz"] else "too slow"
        table.add_row(f"clock {name}", f"{clock['fmax_mhz']:.1f} MHz, needs {clock['constraint_mhz']:.1f} MHz: {met}")
    for title, key in (("TRELLIS_COMB (LUTs)", "comb"), ("flip-flops", "ff"), ("multipliers", "dsp"),
                       ("block RAMs", "bram")):
        table.add_row(title, f"{figures[key]:,} of {figures['available'][key]:,}")
    table.add_row("memory, peak", f"{figures['peak_bytes_per_s'] / 1e6:,.0f} MB/s = "
                                  f"{figures['dram_bits_per_s'] / 1e9:.2f} Gbit/s")
    table.add_row("engines", f"{figures['plane_bits_per_s'] / 1e9:.2f} Gbit/s of planes; "
                             f"{figures['dram_plane_bits_per_s'] / 1e9:.2f} come at 4.5 bits a weight")
    if figures["tokens_per_s"] is not None:
        source = figures["tokens_per_s_from"]
        table.add_row("predicted", f"{figures['tokens_per_s']:.2f} tokens/s, {source['model']} "
                                   f"({source['dram_efficiency']:.0%} of the peak, {source['dram_efficiency_source']})")
    for stage, seconds in figures["seconds"].items():
        table.add_row(stage, f"{seconds:,.0f} s")
    output.print(table)
