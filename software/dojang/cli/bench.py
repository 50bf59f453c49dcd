"""``dojang bench``, how fast things are, and ``dojang bench decode``."""

import platform
import time
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import preset
from rich.table import Table

from ..checkpoints import load
from ..errors import DojangError
from ..generation import Generation
from ..sampling import Sampler
from ..sessions import Memory
from ..sessions.simulated import open_simulated
from .console import output, working
from .options import DEFAULT_CHIP, MeasuredModel, MemoryOption, SimulatedChip, Weights
from .output_file import JsonFile, prepare, write_json

bench = typer.Typer(no_args_is_help=True, help="Measure the simulated chip and its memory.")

CONTEXT = 2048
"""Positions reserved, as `dojang generate` does."""

PROMPT = [1]
"""One token, whichever: what a step costs does not depend on it."""


class BenchError(DojangError):
    """A figure cannot be measured or written."""


@bench.command()
def decode(
    model: MeasuredModel = "smollm2",
    chip: SimulatedChip = DEFAULT_CHIP,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to decode.")] = 2,
    json_file: JsonFile = None,
    weights: Weights = 8,
    memory: MemoryOption = Memory.LPDDR4,
    position: Annotated[int, typer.Option(min=0, help="Of the first token; what comes before is not processed.")] = 0,
):
    """Cycles per token and utilisation while decoding, by the chip's own counters.

    Example: dojang bench decode --model glassllm --chip sim-1x1 --tokens 10 --json figures.json
    """
    prepare(json_file, model)
    started = time.perf_counter()
    config = preset(chip)
    with working("reading the model") as progress:
        checkpoint = load(model, weights)
        context = min(CONTEXT, checkpoint.shape.context)
        if position + tokens > context:
            raise BenchError(f"{tokens} tokens from position {position} on are more than the context of {context}")
        with open_simulated(checkpoint, config, context, memory, progress=progress, logits=False) as session:
            session.jump(position)
            run = Generation(session, PROMPT, Sampler(0.0, 1.0, None), eos_ids=())
            for done, _ in enumerate(run.decode(tokens), 1):
                progress(f"decoding: {done} of {tokens} tokens")
            summary = session.summary()
    figures = {
        "model": checkpoint.name, "chip": config.name, "memory": memory.value,
        "position": position, "tokens": len(run.tokens),
        "cycles_per_token": sum(run.decode_cycles) / len(run.tokens), "decode_cycles": run.decode_cycles,
        "dram_bytes_per_token": sum(run.dram_bytes) / len(run.tokens),
        "dram_peak_bytes_per_cycle": config.peak_bytes_per_cycle, **summary,
        "wall_seconds": time.perf_counter() - started,
    }
    write_json(json_file, figures)
    output.print(_table(figures))


def processor_name() -> str:
    """As Linux calls it, or the machine's name for its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _table(figures: dict) -> Table:
    peak = figures["dram_peak_bytes_per_cycle"]
    table = Table("figure", "value",
                  title=f"decode: {figures['model']} on {figures['chip']}, {figures['memory']} memory")
    for name, value in (
        ("first position", str(figures["position"])),
        ("tokens", str(figures["tokens"])),
        ("cycles per token", f"{figures['cycles_per_token']:,.0f}"),
        ("memory bytes per token", f"{figures['dram_bytes_per_token']:,.0f}"),
        ("DRAM utilisation", f"{figures['dram_utilization']:.1%} of {peak} bytes a cycle"),
        ("engine utilisation", f"{figures['engine_utilization']:.1%}"),
        ("simulated cycles per second", f"{figures['simulated_hz']:,.0f}"),
        ("wall time", f"{figures['wall_seconds']:.1f} s"),
    ):
        table.add_row(name, value)
    return table
