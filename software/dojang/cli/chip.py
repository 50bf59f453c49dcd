"""``dojang chip``: a configuration, its peak rates, and where a model lies in its memory."""

from dataclasses import fields
from typing import Annotated

import typer
from dojang_hdl.config import BLOCK, PRESETS, preset
from rich.console import Console
from rich.table import Table

from ..checkpoints import load


def chip(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")],
    model: Annotated[str | None, typer.Option(help="Also print the memory map of this model.")] = None,
    weights: Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")] = 8,
):
    """Show a chip preset: configuration, peak rates, memory map."""
    config, console = preset(name), Console(highlight=False)
    table = Table("field", "value", title=f"chip {config.name}")
    for field in fields(config):
        table.add_row(field.name, str(getattr(config, field.name)))
    console.print(table)
    peak = Table("per cycle", "", title="peak")
    peak.add_row("memory bytes", f"{config.peak_bytes_per_cycle} ({config.channels} channels)")
    peak.add_row("weight bits applied", f"{config.plane_bits_per_cycle} ({config.nodes} nodes × {config.lanes} lanes × "
                                        f"{BLOCK}), each to {config.contexts} activation vectors")
    console.print(peak)
    if model is not None:
        from ..compile import memory_map

        checkpoint = load(model, weights)
        layout = Table("channel", "region", "first byte", "bytes", title=f"memory map of {checkpoint.name}")
        for region in memory_map(checkpoint, config):
            layout.add_row(str(region.channel), region.name, f"{region.address:#x}", f"{region.bytes:,}")
        console.print(layout)
