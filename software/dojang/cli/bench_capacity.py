"""``dojang bench capacity``: how many sequences every preset decodes in one pass."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import PRESETS, WORD_BYTES

from ..checkpoints import load
from ..compile import CompileError, capacity
from .console import output, working
from .documents import keep, markdown, table_of
from .model_argument import MODEL_HELP
from .options import Weights
from .output_file import JsonFile, prepare

FIGURES = Path("docs/figures/capacity.json")
DOCUMENT = Path("docs/reference/sessions.md")
MODELS = ("glassllm", "smollm2")


def capacities(
    model: Annotated[list[str] | None, typer.Option(
        help=f"{MODEL_HELP} Any number of times; {' and '.join(MODELS)} if not given.")] = None,
    context: Annotated[int, typer.Option(min=1, help="Positions of a sequence, at most the model's.")] = 512,
    json_file: JsonFile = None,
    weights: Weights = 8,
):
    """Of every preset: sequences that decode in one pass, and what sets that limit.

    If FILE is docs/figures/capacity.json, the table in docs/reference/sessions.md is made anew.

    Example: dojang bench capacity --model glassllm --context 128
    """
    prepare(json_file, *(model or ()))
    found = []
    with working("reading the models") as progress:
        for checkpoint in [load(name, weights) for name in model or MODELS]:
            positions = min(context, checkpoint.shape.context)
            for name, config in PRESETS.items():
                progress(f"{checkpoint.name} on {name}")
                row = {"model": checkpoint.name, "chip": name, "context": positions}
                try:
                    room = capacity(checkpoint, config, positions)
                except CompileError as error:
                    found.append(row | {"sequences": 0, "limits": [str(error)]})
                else:
                    found.append(row | asdict(room) | {"sequences": room.sequences, "limits": room.limits})
    figures = {"label": "modelled", "capacities": found}
    keep(figures, json_file, FIGURES, DOCUMENT, {"capacity": document_table})
    output.print(table_of(_rows(figures), "sequences that decode in one pass"))


def _rows(figures: dict) -> list[list[str]]:
    rows = [["model: positions", "chip", "sequences", "limited by", "K/V kB of a sequence",
             "SRAM bytes of a further one in a node"]]
    for row in figures["capacities"]:
        told = [f"{row['model']}: {row['context']}", row["chip"], f"{row['sequences']}"]
        if row["sequences"]:
            local, rx = (words * WORD_BYTES for words in row["sram_words"])
            rows.append([*told, " and ".join(row["limits"]), f"{row['kv_bytes'] * row['context'] / 1e3:,.0f}",
                         f"{local + rx:,}"])
        else:
            rows.append([*told, "it does not fit", "", ""])
    return rows


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    return markdown(_rows(figures))
