"""``dojang chip``: a configuration, its peak rates, and where a model lies in its memory."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Annotated

import typer
from dojang_hdl.config import BLOCK, PRESETS, WORD_BYTES, preset
from rich.console import Console
from rich.table import Table

from ..checkpoints import load


def chip(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")],
    model: Annotated[str | None, typer.Option(help="Also print the memory map of this model.")] = None,
    weights: Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")] = 8,
    context: Annotated[int, typer.Option(min=1, help="Positions reserved, at most the model's.")] = 2048,
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
        from ..compile import compile_model

        checkpoint = load(model, weights)
        image = compile_model(checkpoint, config, min(context, checkpoint.shape.context))
        layout = Table("channel", "region", "first byte", "bytes",
                       title=f"memory map of {checkpoint.name}, {image.context} positions")
        for channel in range(config.channels):
            parts = ((region.name, region.start * WORD_BYTES, region.bytes) for region in image.regions
                     if region.channel == channel)
            for name, start, size in _by_part(parts):
                layout.add_row(str(channel), name, f"{start:#x}", f"{size:,}")
            layout.add_row(str(channel), "used", "", f"{image.used_bytes(channel):,} of {config.channel_mib << 20:,}",
                           end_section=True)
        console.print(layout)


def _by_part(regions: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Regions (name, first byte, bytes) summed over the first part of their names, e.g. over a layer."""
    parts: dict[str, tuple[int, int]] = {}
    for name, start, size in regions:
        part = name.split(".")[0]
        first, total = parts.get(part, (start, 0))
        parts[part] = min(first, start), total + size
    return [(part, first, total) for part, (first, total) in parts.items()]
