"""``dojang chip``: a configuration, its peak rates, and where a model lies in its memory."""

from dataclasses import fields
from typing import Annotated

import typer
from dojang_hdl.config import BLOCK, PRESETS, preset
from rich.table import Table

from ..checkpoints import load
from .console import output, working
from .options import Weights


def chip(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")],
    model: Annotated[str | None, typer.Option(help="Also print the memory map of this model.")] = None,
    weights: Weights = 8,
    context: Annotated[int, typer.Option(min=1, help="Positions reserved, at most the model's.")] = 2048,
):
    """Show a chip preset: configuration, peak rates, memory map."""
    config = preset(name)
    table = Table("field", "value", title=f"chip {config.name}")
    for field in fields(config):
        table.add_row(field.name, str(getattr(config, field.name)))
    output.print(table)
    peak = Table("per cycle", "", title="peak")
    peak.add_row("memory bytes", f"{config.peak_bytes_per_cycle} ({config.channels} channels)")
    peak.add_row("weight bits applied", f"{config.plane_bits_per_cycle} ({config.nodes} nodes × {config.lanes} lanes × "
                                        f"{BLOCK}), each to {config.contexts} activation vectors")
    output.print(peak)
    if model is not None:
        from ..compile import memory_map

        checkpoint = load(model, weights)
        context = min(context, checkpoint.shape.context)
        with working("placing the model"):
            entries = memory_map(checkpoint, config, context)
        layout = Table("channel", "region", "first byte", "bytes",
                       title=f"memory map of {checkpoint.name}, {context} positions")
        for channel in range(config.channels):
            mine = [entry for entry in entries if entry.channel == channel]
            for entry in mine:
                layout.add_row(str(channel), entry.name, f"{entry.address:#x}", f"{entry.bytes:,}")
            end = max(entry.address + entry.bytes for entry in mine)
            layout.add_row(str(channel), "end", f"{end:#x}", f"of {config.channel_mib << 20:,}", end_section=True)
        output.print(layout)
