"""``dojang bench conversions``: perplexity that the import of each tensor type costs."""

import os
from pathlib import Path
from typing import Annotated

import gguf
import typer
from rich.table import Table

from ..checkpoints import load
from ..checkpoints.tensor_types import BLOCK_TYPES, SUPPORTED_TYPES, is_exact
from ..conversions import EVERY, TYPES, measure
from ..evaluation import Evaluation
from ..texts import BUILTIN, EVALUATION, LENGTH, builtin_text, windows
from ..tokenizer import Tokenizer
from .bench import BenchError
from .console import console, output, working
from .documents import read_figures, update_document
from .output_file import prepare, write_json

FIGURES = Path("docs/figures/conversions.json")
DOCUMENT = Path("docs/reference/tensor-types.md")

TITLES = ("type", "bits a weight in the file", "codes on the chip", "bits a weight there", "weights there",
          *(f"{text}: perplexity, and what import adds" for text in BUILTIN), "KL (nats)")


def conversions(
    types: Annotated[list[str] | None, typer.Argument(metavar="[TYPE]...", show_default=False, help=(
        f"Some of {', '.join(TYPES)}; all without any."))] = None,
    model: Annotated[str, typer.Option(help="Path of a model file, smollm2 or glassllm.")] = "smollm2",
    count: Annotated[int, typer.Option("--windows", min=1, help="Of each text.")] = EVALUATION,
    threads: Annotated[int | None, typer.Option(min=1, show_default=False, help="Default: all cores.")] = None,
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="Figures; those of other types in it are "
                                            "kept.")] = FIGURES,
):
    """Store a model's matrices in tensor types and measure what the import of each costs on the builtin texts.

    Weights as the type has them against weights as the chip has them, both in float32; some four minutes a type for
    smollm2 on one core. With the default FILE the table in docs/reference/tensor-types.md is made anew. Types that
    import takes over exactly are not among them.

    Example: dojang bench conversions Q6_K Q4_K --json build/conversions.json
    """
    chosen = types or list(TYPES)
    for name in chosen:
        if name not in TYPES:
            raise BenchError(f"type {name!r} is none of {', '.join(TYPES)}")
    texts = {name: builtin_text(name) for name in BUILTIN}
    read_figures(json_file)
    prepare(json_file, keep=True)
    with working("reading the model"):
        source = load(model)
        tokenizer, length = Tokenizer(source.tokenizer), min(LENGTH, source.shape.context)
        found = {name: windows(text, tokenizer, count, length, name) for name, text in texts.items()}
    setting = {"command": "dojang bench conversions", "model": source.name, "windows": count, "length": length,
               "label": "measured", "numerics": "float"}
    for name in chosen:
        with working(name) as progress:
            results = measure(source, name, found, threads or os.cpu_count() or 1, progress)
        row = {"type": name, "every": EVERY.get(name, 1), "texts": {
            text: _figures(result) for text, result in results.items()}}
        known = read_figures(json_file)  # another run may have added rows
        rows = known.get("rows", []) if {key: known.get(key) for key in setting} == setting else []
        rows = [other for other in rows if other["type"] != name] + [row]
        known = {**setting, "rows": sorted(rows, key=lambda row: TYPES.index(row["type"]))}
        write_json(json_file, known, indent=1)
    known = read_figures(json_file)
    if json_file == FIGURES:
        update_document(DOCUMENT, known, {"types": document_table})
    table = Table("type", *BUILTIN, "KL (nats)", title=f"{known['model']}: perplexity, and what import adds")
    for row in known["rows"]:
        table.add_row(row["type"], *_cost(row))
    output.print(table)
    console.print(f"figures: {json_file}")


def _figures(result: Evaluation) -> dict:
    stored = result.other_perplexity
    assert stored is not None
    return {"perplexity_stored": stored, "perplexity": result.perplexity,
            "change_percent": 100 * (result.perplexity / stored - 1), "kl": result.kl, "top1": result.top1}


def document_table(figures: dict) -> str:
    """Every type, measured or not, as Markdown."""
    measured = {row["type"]: row for row in figures["rows"]}
    lines = [list(TITLES), ["---", *["--:" if "bits" in title else "---" for title in TITLES[1:]]]]
    for name in SUPPORTED_TYPES:
        known = ["nothing", "0"] if is_exact(name) else ["not measured", ""]
        cost = _cost(measured[name]) if name in measured else known[:1] * len(BUILTIN) + known[1:]
        lines.append([name, *_form(name), *cost])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _form(name: str) -> list[str]:
    columns, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    stored = f"{8 * size / columns:g}"
    if name not in BLOCK_TYPES:
        return [stored, "2 to 8 bits (`--weights`), groups of 32", "8.5 with 8", "nearest codes"]
    kind = BLOCK_TYPES[name]
    return [stored, str(kind), f"{kind.bits_per_weight:g}", kind.kept.value]


def _cost(row: dict) -> list[str]:
    texts = row["texts"]
    cells = [f"{texts[text]['perplexity_stored']:.2f}, {texts[text]['change_percent']:+.3f} %" for text in BUILTIN]
    return [*cells, f"{max(texts[text]['kl'] for text in BUILTIN):.1e}"]
