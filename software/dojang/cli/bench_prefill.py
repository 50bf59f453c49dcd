"""``dojang bench prefill``: how fast a prompt is read."""

import time
from typing import Annotated

import numpy as np
import typer
from dojang_hdl.config import preset
from rich.table import Table

from ..checkpoints import load
from ..sessions import Memory
from ..sessions.simulated import open_simulated
from .bench import CONTEXT, PROMPT, BenchError
from .console import output, working
from .options import DEFAULT_CHIP, MeasuredModel, MemoryOption, SimulatedChip, Weights
from .output_file import JsonFile, prepare, write_json


def prefill(
    model: MeasuredModel = "smollm2",
    chip: SimulatedChip = DEFAULT_CHIP,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of the prompt.")] = 512,
    passes: Annotated[int | None, typer.Option(
        min=2, help="Simulate so many of its passes only, evenly spread; all if left out.")] = None,
    json_file: JsonFile = None,
    weights: Weights = 8,
    memory: MemoryOption = Memory.LPDDR4,
):
    """Cycles per token and utilisation while a prompt is read, several tokens a pass, by the chip's own counters.

    What a pass costs depends on its position, not on what the cache holds: those left out are interpolated.

    Example: dojang bench prefill --model glassllm --chip sim-1x1 --tokens 64 --json figures.json
    """
    prepare(json_file, model)
    started = time.perf_counter()
    config = preset(chip)
    with working("reading the model") as progress:
        checkpoint = load(model, weights)
        context = min(CONTEXT, checkpoint.shape.context)
        if tokens > context:
            raise BenchError(f"a prompt of {tokens} tokens is longer than the context of {context}")
        with open_simulated(checkpoint, config, context, memory, progress=progress, logits=False) as session:
            size = session.image.contexts
            starts = np.arange(0, tokens, size)
            chosen = _spread(starts, passes)
            cycles = []
            for done, start in enumerate(chosen):
                progress(f"prefilling: {done} of {len(chosen)} passes")
                session.jump(int(start))
                cycles.append(sum(step.cycles for step in session.prefill(PROMPT * min(size, tokens - int(start)))))
            found, rate = session.prefill_utilization(), session.summary()["simulated_hz"]
    total = float(np.interp(starts, chosen, cycles).sum())
    figures = {
        "model": checkpoint.name, "chip": config.name, "memory": memory.value, "tokens": tokens,
        "tokens_per_pass": size, "passes": len(starts), "simulated_positions": chosen.tolist(),
        "simulated_cycles": cycles, "cycles_per_token": total / tokens, **found,
        # Plain codes, each word of which is used once a pass.
        "engine_bound": min(1.0, 8 * config.peak_bytes_per_cycle / config.plane_bits_per_cycle),
        "simulated_hz": rate, "wall_seconds": time.perf_counter() - started,
    }
    write_json(json_file, figures)
    output.print(_table(figures))


def _spread(starts: np.ndarray, passes: int | None) -> np.ndarray:
    """``passes`` of the positions, the first and the last among them."""
    if passes is None or passes >= len(starts):
        return starts
    return starts[np.round(np.linspace(0, len(starts) - 1, passes)).astype(int)]


def _table(figures: dict) -> Table:
    table = Table("figure", "value", title=f"prefill: {figures['model']} on {figures['chip']}, {figures['memory']} "
                                           "memory")
    simulated = len(figures["simulated_positions"])
    left_out = f", {simulated} of them simulated" * (simulated < figures["passes"])
    for name, value in (
        ("tokens", f"{figures['tokens']}, {figures['tokens_per_pass']} a pass"),
        ("passes", f"{figures['passes']}{left_out}"),
        ("cycles per token", f"{figures['cycles_per_token']:,.0f}"),
        ("DRAM utilisation", f"{figures['dram_utilization']:.1%}"),
        ("engine utilisation", f"{figures['engine_utilization']:.1%} of the cycles; words at the memory's "
                               f"peak keep it busy for {figures['engine_bound']:.0%}"),
        ("simulated cycles per second", f"{figures['simulated_hz']:,.0f}"),
        ("wall time", f"{figures['wall_seconds']:.1f} s"),
    ):
        table.add_row(name, value)
    return table
