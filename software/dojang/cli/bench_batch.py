"""``dojang bench batch``: what sequences that share passes gain."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.lpddr4.timing import BURST_BYTES

from ..batching import Batch, Request
from ..checkpoints import Checkpoint
from ..sampling import Sampler
from ..sessions import Memory, whole_tiles
from ..sessions.device import DeviceSession
from ..sessions.simulated import open_simulated
from .bench import BenchError
from .console import output, working
from .documents import keep, markdown, table_of
from .model_argument import MEASURED_HELP, load_measured
from .options import MemoryOption, SimulatedChip, Weights
from .output_file import JsonFile, prepare

MIXED_PASSES = 4
"""In which a prompt is read beside sequences that decode."""

MIXED_POSITIONS = 128
"""Of every sequence then: the prompt has 64 tokens at most."""

FIGURES = Path("docs/figures")
DOCUMENT = Path("docs/reference/sessions.md")


def batch(
    model: Annotated[str, typer.Option(help=MEASURED_HELP)] = "glassllm",
    chip: SimulatedChip = "batch-8",
    sequences: Annotated[list[int] | None, typer.Option(
        min=1, help="Sequences that decode together; any number of times, 1, 2, 4 ... as many as a pass takes if not "
                    "given.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Passes that are measured for each.")] = 2,
    prompt: Annotated[int, typer.Option(min=0, help="Tokens of each sequence before that.")] = 1,
    position: Annotated[int, typer.Option(
        min=0, help="Of the first of these; what comes before is not processed, and logits are not compared.")] = 0,
    mixed: Annotated[bool, typer.Option("--mixed", help="Also a prompt that is read while others decode.")] = False,
    json_file: JsonFile = None,
    weights: Weights = 8,
    memory: MemoryOption = Memory.LPDDR4,
):
    """Tokens per cycle and utilisation of sequences that share passes, by the chip's own counters.

    The logits of every sequence are compared with those it has alone. If FILE is one of docs/figures/batch-*.json, its
    table in docs/reference/sessions.md is made anew.

    Example: dojang bench batch --model glassllm --sequences 1 --sequences 4 --json figures.json
    """
    prepare(json_file, model)
    started = time.perf_counter()
    config = preset(chip)
    with working("reading the model") as progress:
        checkpoint = load_measured(model, weights)
        counts = sequences or _doubled(config.contexts)
        positions = position + prompt + tokens
        if positions > checkpoint.shape.context:
            raise BenchError(f"{positions} positions were asked for, the model has {checkpoint.shape.context}")
        rows = whole_tiles(positions) * (max(counts) + 1)
        if mixed:
            rows = max(rows, whole_tiles(MIXED_POSITIONS) * (config.contexts // 2 + 1))
        with open_simulated(checkpoint, config, _context(checkpoint, positions, mixed), memory, progress=progress,
                            logits=position == 0, rows=rows) as session:
            if max(counts) > session.contexts:
                raise BenchError(f"{max(counts)} sequences were asked for, a pass of {checkpoint.name} on "
                                 f"{config.name} takes {session.contexts}")
            measured = [_measure(session, config, checkpoint, count, prompt, tokens, position, progress)
                        for count in counts]
            beside = _mix(session, checkpoint, progress) if mixed else None
            rate = session.summary()["simulated_hz"]
    for row in measured:
        row["tokens_per_cycle_relative"] = row["sequences"] * measured[0]["cycles_per_pass"] / (
            measured[0]["sequences"] * row["cycles_per_pass"])
    figures = {
        "label": "simulated", "model": checkpoint.name, "chip": config.name, "memory": memory.value,
        "position": position + prompt, "passes": tokens, "batches": measured, "mixed": beside, "simulated_hz": rate,
        "wall_seconds": time.perf_counter() - started,
    }
    kept = FIGURES / f"batch-{checkpoint.name}.json"
    keep(figures, json_file, kept, DOCUMENT, {kept.stem: document_table})
    for title, rows in _tables(figures).items():
        output.print(table_of(rows, title))


def _doubled(most: int) -> list[int]:
    """1, 2, 4 ... ``most``."""
    return [1 << power for power in range(most.bit_length()) if 1 << power <= most]


def _context(checkpoint: Checkpoint, positions: int, mixed: bool) -> int:
    """Positions of a sequence that all that is measured needs."""
    return min(checkpoint.shape.context, max(positions, MIXED_POSITIONS if mixed else 0))


def _measure(session: DeviceSession, config: ChipConfig, checkpoint: Checkpoint, count: int, prompt: int, tokens: int,
             position: int, progress: Callable[[str], None]) -> dict:
    """``count`` sequences, each of tokens of its own."""
    of_all = [np.random.default_rng(number).integers(0, checkpoint.shape.vocab, prompt + tokens).tolist()
              for number in range(count)]
    numbers = [session.add(position + prompt + tokens) for _ in of_all]
    for number in numbers:
        session.jump(position, number)
    found, cycles = {number: [] for number in numbers}, []
    for at in range(prompt + tokens):
        progress(f"{count} sequences: pass {at + 1} of {prompt + tokens}")
        if at == prompt:
            session.restart_counters()
        steps = session.step({number: [of_one[at]] for number, of_one in zip(numbers, of_all, strict=True)})
        cycles.append(sum(step.cycles for of_one in steps.values() for step in of_one))
        for number, (step,) in steps.items():
            found[number].append(step.logits)
    summary = session.summary()
    for number in numbers:
        session.remove(number)
    return {"sequences": count, "contexts": len(session.told), "cycles_per_pass": sum(cycles[prompt:]) / tokens,
            "dram_utilization": summary["dram_utilization"],
            "pins_moving": _pins(config, summary["memory_commands"], sum(cycles[prompt:])),
            "engine_utilization": summary["engine_utilization"],
            "equal_to_alone": None if position else _equal(checkpoint, of_all, list(found.values()), progress)}


def _pins(config: ChipConfig, commands: list[dict[str, int]], cycles: int) -> float | None:
    """Share of the cycles in which the pins move words, the guard's own included; None of a memory without any."""
    bursts = sum(channel["reads"] + channel["writes"] for channel in commands)
    return bursts * BURST_BYTES / (cycles * config.peak_bytes_per_cycle) if bursts else None


def _equal(checkpoint: Checkpoint, of_all: list[list[int]], found: list[list], progress: Callable[[str], None]) -> bool:
    """Whether the logits of every sequence are those that it has alone, on the fast back end, bit for bit."""
    from ..fast import FastModel

    progress("computing every sequence alone")
    model = FastModel(checkpoint, len(of_all[0]), progress)
    alone = [model.forward(of_one, 0) for of_one in of_all]
    return all(np.array_equal(np.stack(rows).view(np.uint32), expected.view(np.uint32))
               for rows, expected in zip(found, alone, strict=True))


def _mix(session: DeviceSession, checkpoint: Checkpoint, progress: Callable[[str], None]) -> dict:
    """Half of the contexts decode; then a prompt arrives that fills the other half in `MIXED_PASSES` passes."""
    decoding = session.contexts // 2
    left = session.contexts - decoding
    length = left * MIXED_PASSES
    ids = np.random.default_rng(0).integers(0, checkpoint.shape.vocab, length + decoding).tolist()
    scheduler = Batch(session)
    others = [_request([ids[number]], 2 + 2 * MIXED_PASSES) for number in range(decoding)]
    for request in others:
        scheduler.submit(request)
    progress("sequences decode alone")
    for _ in range(2):
        scheduler.step()
    alone = scheduler.cycles
    scheduler.step()
    alone = scheduler.cycles - alone
    arriving = _request(ids[decoding:], 1)
    before, passes, cycles = [len(request.tokens) for request in others], scheduler.passes, scheduler.cycles
    scheduler.submit(arriving)
    while not arriving.tokens:
        progress(f"a prompt is read beside them: pass {scheduler.passes - passes + 1} of {MIXED_PASSES}")
        scheduler.step()
    passes = scheduler.passes - passes
    found = {"decoding_sequences": decoding, "prompt_tokens": length, "passes": passes,
             "tokens_of_each_decoding_sequence": min(len(request.tokens) - start for request, start in
                                                     zip(others, before, strict=True)),
             "cycles_per_pass": (scheduler.cycles - cycles) / passes, "cycles_per_pass_without": alone}
    for request in others:
        scheduler.cancel(request)
    return found


def _request(prompt: list[int], limit: int) -> Request:
    return Request(prompt, Sampler(0.0, 1.0, None), (), limit)


def _rows(figures: dict) -> list[list[str]]:
    equal = {True: "yes", False: "NO", None: "not compared"}
    return [["sequences", "cycles a pass", "tokens/s relative to one", "of so many times", "DRAM", "pins", "engines",
             "logits equal to alone"],
            *([str(row["sequences"]), f"{row['cycles_per_pass']:,.0f}", f"{row['tokens_per_cycle_relative']:.2f}",
               f"{row['tokens_per_cycle_relative'] / row['sequences'] * figures['batches'][0]['sequences']:.0%}",
               f"{row['dram_utilization']:.1%}", _share(row["pins_moving"]), f"{row['engine_utilization']:.1%}",
               equal[row["equal_to_alone"]]]
              for row in figures["batches"])]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def _mixed_table(found: dict) -> list[list[str]]:
    return [["pass", "passes", "cycles a pass", "tokens of each decoding sequence", "tokens of the prompt"],
            [f"{found['decoding_sequences']} sequences decode", "1", f"{found['cycles_per_pass_without']:,.0f}", "1",
             "0"],
            [f"{found['decoding_sequences']} sequences decode, a prompt is read", str(found["passes"]),
             f"{found['cycles_per_pass']:,.0f}", str(found["tokens_of_each_decoding_sequence"]),
             str(found["prompt_tokens"])]]


def _tables(figures: dict) -> dict[str, list[list[str]]]:
    title = (f"{figures['model']} on {figures['chip']}, {figures['memory']} memory, from position "
             f"{figures['position']} on ({figures['label']})")
    mixed = {"prefill beside decode": _mixed_table(figures["mixed"])} if figures["mixed"] else {}
    return {title: _rows(figures), **mixed}


def document_table(figures: dict) -> str:
    """All tables as Markdown."""
    return "\n\n".join(f"{title}:\n\n{markdown(rows)}"
                       for title, rows in _tables(figures).items())
