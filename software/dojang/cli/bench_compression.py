"""``dojang bench compression``: cycles a token by the form of the weights."""

import time
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import preset
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from rich.table import Table

from ..checkpoints import Checkpoint, Form, load
from ..checkpoints.synthetic import with_forms
from ..generation import Generation
from ..sampling import Sampler
from ..sessions import Memory, open_session
from .bench import CONTEXT, PROMPT, BenchError
from .console import output, working
from .documents import keep
from .options import DEFAULT_CHIP, MemoryOption, SimulatedChip
from .output_file import JsonFile, prepare

FIGURES = Path("docs/figures/compression-cycles.json")
DOCUMENT = Path("docs/user/compress.md")


def window(code: Code, rotated: bool = True) -> Form:
    """Weights d (2Q - Qmax) of a window code, one scale a row."""
    return Form(CODES[code].planes, code=code, group=64, row_scale=True, rotated=rotated, double=True,
                zero=-CODES[code].maximum)


FORMS: dict[str, tuple[Form, float]] = {
    "dense-4": (Form(4, signed=True, group=128, rotated=True), 1.0),
    "x4": (window(Code.X4), 1.0),
    "x3": (window(Code.X3), 1.0),
    "x2.5": (window(Code.X2_5), 1.0),
    "x2": (window(Code.X2), 1.0),
    "ternary": (Form(2, group=128, zero=-1), 1.0),
    "1-bit": (Form(1, group=128, double=True, zero=-1), 1.0),
    "pruned-x2": (window(Code.X2, rotated=False), 0.5),
    "bcq-3": (Form(1, double=True, zero=-1, terms=3), 1.0),
    "x3-unrotated": (window(Code.X3, rotated=False), 1.0),
}
"""Form and part of the weights that is kept. The last one shows, beside x3, what the transform costs."""


def compression(
    model: Annotated[str, typer.Option(help="Shapes of the matrices, and the head: a path, smollm2 or glassllm.")]
        = "smollm2",
    chip: SimulatedChip = DEFAULT_CHIP,
    forms: Annotated[list[str] | None, typer.Option("--form", metavar="FORM", show_default=False,
                     help=f"May be repeated; all without: {', '.join(FORMS)}.")] = None,
    memory: MemoryOption = Memory.LPDDR4,
    json_file: JsonFile = None,
):
    """Cycles of a decode step with every matrix of the layers in one compressed form, by the chip's counters.

    The codes are random: cycles do not depend on them. Embedding and head stay as the model has them.

    Example: dojang bench compression --model glassllm --form x3 --form dense-4 --json figures.json
    """
    prepare(json_file, model)
    config = preset(chip)
    unknown = [name for name in forms or () if name not in FORMS]
    if unknown:
        raise BenchError(f"unknown form {unknown[0]!r}, expected one of {', '.join(FORMS)}")
    with working("reading the model"):
        base = load(model)
    rows = []
    for name in forms or FORMS:
        started = time.perf_counter()
        with working(name) as progress:
            row = _measure(with_forms(base, [FORMS[name]]), config, memory, lambda step, name=name: progress(
                f"{name}: {step}"))
        rows.append({"form": name, **row, "wall_seconds": time.perf_counter() - started})
    figures = {"model": base.name, "chip": config.name, "memory": memory.value, "label": "simulated",
               "peak_bytes_per_cycle": config.peak_bytes_per_cycle, "forms": rows}
    keep(figures, json_file, FIGURES, DOCUMENT, {"cycles": document_table})
    output.print(_table(figures))


def _measure(checkpoint: Checkpoint, config, memory: Memory, progress) -> dict:
    layers = [matrix for name, matrix in checkpoint.matrices() if name != "head"]
    weights = sum(matrix.rows * matrix.cols for matrix in layers)
    context = min(CONTEXT, checkpoint.shape.context)
    with open_session(checkpoint, config, context=context, memory=memory, progress=progress) as session:
        run = Generation(session, PROMPT, Sampler(0.0, 1.0, None), eos_ids=())
        progress("decoding a token")
        list(run.decode(1))
        summary = session.summary()
    bytes_read = run.dram_bytes[0]
    ideal = bytes_read / config.peak_bytes_per_cycle
    return {"layer_bits_per_weight": round(8 * sum(matrix.stored_bytes for matrix in layers) / weights, 4),
            "cycles_per_token": run.decode_cycles[0], "dram_bytes_per_token": bytes_read,
            "cycles_of_the_bytes": round(ideal), "cycles_over_bytes": round(run.decode_cycles[0] / ideal, 4),
            "engine_utilization": summary["engine_utilization"]}


TITLES = ("form", "bits a weight of the layers", "cycles a token", "bytes a token", "cycles ÷ (bytes ÷ channel width)",
          "engines busy")


def _rows(figures: dict) -> list[list[str]]:
    return [[row["form"], f"{row['layer_bits_per_weight']:.2f}", f"{row['cycles_per_token']:,}",
             f"{row['dram_bytes_per_token']:,}", f"{row['cycles_over_bytes']:.3f}", f"{row['engine_utilization']:.1%}"]
            for row in figures["forms"]]


def _table(figures: dict) -> Table:
    title = f"{figures['model']} on {figures['chip']}, {figures['memory']} memory, {figures['label']}"
    table = Table(*TITLES, title=title)
    for row in _rows(figures):
        table.add_row(*row)
    return table


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    lines = [list(TITLES), ["---", *["--:"] * (len(TITLES) - 1)], *_rows(figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
