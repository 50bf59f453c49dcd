"""``dojang chip``: a configuration, its peak rates, where a model lies in its memory, how many sequences it takes."""

from dataclasses import asdict, fields
from typing import Annotated

import typer
from dojang_hdl.config import BLOCK, PRESETS, WORD_BYTES, preset
from rich.table import Table

from ..checkpoints import load
from ..compile import Capacity, capacity, memory_map
from .console import output, working
from .options import Weights
from .output_file import JsonFile, prepare, write_json


def chip(
    name: Annotated[str, typer.Argument(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")],
    model: Annotated[str | None, typer.Option(
        help="Also print the memory map of this model, and how many sequences decode in one pass.")] = None,
    weights: Weights = 8,
    context: Annotated[int, typer.Option(min=1, help="Positions of a sequence, at most the model's.")] = 2048,
    json_file: JsonFile = None,
):
    """Show a chip preset: configuration, peak rates, memory map, what limits the sequences of a pass.

    Example: dojang chip sim-2x2 --model smollm2 --context 512
    """
    prepare(json_file, *([] if model is None else [model]))
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
    figures = {"chip": config.name, **asdict(config)}
    if model is not None:
        checkpoint = load(model, weights)
        context = min(context, checkpoint.shape.context)
        with working("placing the model"):
            entries = memory_map(checkpoint, config, context)
            room = capacity(checkpoint, config, context)
        layout = Table("channel", "region", "first byte", "bytes",
                       title=f"memory map of {checkpoint.name}, {context} positions")
        for channel in range(config.channels):
            mine = [entry for entry in entries if entry.channel == channel]
            for entry in mine:
                layout.add_row(str(channel), entry.name, f"{entry.address:#x}", f"{entry.bytes:,}")
            end = max(entry.address + entry.bytes for entry in mine)
            layout.add_row(str(channel), "end", f"{end:#x}", f"of {config.channel_mib << 20:,}", end_section=True)
        output.print(layout)
        output.print(_sequences(checkpoint.name, room))
        figures |= {"model": checkpoint.name, **asdict(room), "sequences": room.sequences, "limits": room.limits}
    write_json(json_file, figures)


def _sequences(model: str, room: Capacity) -> Table:
    local, rx = room.sram_words
    table = Table("sequences that decode in one pass", "", title=f"{model}, sequences of {room.context} positions")
    for name, value in (
        ("contexts of the engine", f"{room.contexts}"),
        ("SRAM has room for", f"{room.sram}; each takes {local * WORD_BYTES:,} bytes of LOCAL and "
                              f"{rx * WORD_BYTES:,} of RX in every node"),
        ("K/V memory has room for", f"{room.memory}; each takes {room.kv_bytes * room.context:,.0f} bytes, "
                                    f"{room.kv_bytes:,.0f} a position"),
        ("so many at once", f"{room.sequences}, limited by {' and '.join(room.limits)}"),
    ):
        table.add_row(name, value)
    return table
