"""``dojang bench backends``: tokens a second of the golden model and of its compiled equal."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..checkpoints import load
from .bench import BenchError, processor_name
from .console import output, working
from .documents import keep, markdown, table_of
from .model_argument import MODEL_HELP
from .options import Weights
from .output_file import JsonFile, prepare

FIGURES = Path("docs/figures/backends.json")
DOCUMENT = Path("docs/reference/golden.md")


def backends(
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = "smollm2",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to decode one by one, and then to prefill at once.")] = 32,
    json_file: JsonFile = None,
    weights: Weights = 8,
):
    """Tokens a second of the golden and the fast back end on one core of this machine, and whether they are equal.

    If FILE is docs/figures/backends.json, the table in docs/reference/golden.md is made anew.

    Example: dojang bench backends --model glassllm --tokens 16 --json figures.json
    """
    from dojang_sim.golden.model import GoldenModel

    from ..fast import FastModel

    prepare(json_file, model)
    with working("reading the model") as progress:
        checkpoint = load(model, weights)
        if tokens >= (context := checkpoint.shape.context):
            raise BenchError(f"{tokens} tokens after a first one are more than the context of {context}")
        ids = np.random.default_rng(0).integers(0, checkpoint.shape.vocab, tokens + 1)
        # The fast one first: the process is at its largest then, before golden's floats are in it.
        fast, logits = _measure("fast", FastModel(checkpoint, tokens + 1, progress), ids, progress)
        fast["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        golden, expected = _measure("golden", GoldenModel(checkpoint, tokens + 1), ids, progress)
    figures = {
        "label": "measured", "model": checkpoint.name, "tokens": tokens, "golden": golden, "fast": fast,
        "times_as_fast": golden["decode_cpu_seconds"] / fast["decode_cpu_seconds"],
        "equal": bool(np.array_equal(logits.view(np.uint32), expected.view(np.uint32))),
        "processor": processor_name(), "cores": os.cpu_count(), "load": os.getloadavg()[0],
    }
    keep(figures, json_file, FIGURES, DOCUMENT, {"backends": document_table})
    equal = "yes" if figures["equal"] else "NO"
    output.print(table_of(backend_rows(figures), f"{figures['model']}, logits equal bit for bit: {equal}"))


def _measure(name: str, model, ids: np.ndarray, progress: Callable[[str], None]) -> tuple[dict, np.ndarray]:
    """Seconds a token, and all logits. The first token, which prepares the model, is not counted."""
    progress(f"{name}: preparing")
    logits = [model.forward(ids[:1], 0)]
    count = len(ids) - 1
    started, used = time.perf_counter(), time.process_time()
    for at in range(1, len(ids)):
        logits.append(model.forward(ids[at:at + 1], at))
        progress(f"{name}: {at} of {count} tokens")
    decode = time.perf_counter() - started, time.process_time() - used
    progress(f"{name}: prefilling {count} tokens")
    started, used = time.perf_counter(), time.process_time()
    logits.append(model.forward(ids[1:], 1))
    prefill = time.perf_counter() - started, time.process_time() - used
    return {f"{phase}_{kind}": seconds / count for phase, pair in (("decode", decode), ("prefill", prefill))
            for kind, seconds in zip(("seconds", "cpu_seconds"), pair, strict=True)}, np.concatenate(logits)


def backend_rows(figures: dict) -> list[list[str]]:
    """Heading and a row per back end; tokens a second are of processor time."""
    rows = [["back end", "tokens/s, decoding", "tokens/s, prefilling", "ms a token, by the clock"]]
    for name in ("golden", "fast"):
        one = figures[name]
        rows.append([name, f"{1 / one['decode_cpu_seconds']:.1f}", f"{1 / one['prefill_cpu_seconds']:.1f}",
                     f"{1000 * one['decode_seconds']:.1f}"])
    return rows


def document_table(figures: dict) -> str:
    return markdown(backend_rows(figures))
