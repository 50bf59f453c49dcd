"""``dojang bench quality``: perplexity by bits a weight, of many ways to compress a model."""

import json
import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from dojang_hdl.isa import Code
from rich.console import Console
from rich.table import Table

from ..checkpoints import Checkpoint, load
from ..checkpoints.container import SUFFIX, read_description
from ..compress.calibration import Moments, hessians
from ..compress.compress import compress
from ..compress.plan import RECIPES, Options, Plan
from ..evaluation import bytes_per_token, evaluate, float_model, golden_model
from ..texts import BUILTIN, EVALUATION, LENGTH, builtin_text, calibration_windows, windows
from ..tokenizer import Tokenizer
from .bench import BenchError, check_writable
from .boundary import console
from .eval import Numerics

FIGURES = Path("docs/figures/compression-quality.json")
FOLDER = Path("build/compression")

ROWS = {
    **{f"recipe {name}": plan for name, plan in RECIPES.items()},
    "X4": Plan(Options(Code.X4)),
    "X2": Plan(Options(Code.X2)),
    "4 bits, not rotated": Plan(Options(4, rotate=False)),
    "4 bits a row": Plan(Options(4, "row")),
    "3 bits a row": Plan(Options(3, "row")),
    "2 bits a row": Plan(Options(2, "row")),
    "3 bits, nearest": Plan(Options(3, 64, "rtn")),
    "X3, not rotated": Plan(Options(Code.X3, rotate=False)),
    "BCQ of 3 planes": Plan(Options(3, 64, "bcq")),
    "X2, half pruned": Plan(Options(Code.X2, sparsity=0.5, prune="sparsegpt")),
    "X2, half pruned, not rotated": Plan(Options(Code.X2, sparsity=0.5, prune="sparsegpt", rotate=False)),
    "X3, 30 % pruned": Plan(Options(Code.X3, sparsity=0.3, prune="sparsegpt")),
}
"""What is tried, by name."""


def quality(
    names: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", show_default=False, help=(
        f"Some of {', '.join(map(repr, ROWS))}; all without any."))] = None,
    model: Annotated[str, typer.Option(help="Path of a model file, smollm2 or glassllm.")] = "smollm2",
    numerics: Annotated[Numerics, typer.Option(help="Of the evaluation: float32, or the chip's, which takes some ten "
                                               "times as long.")] = Numerics.FLOAT,
    count: Annotated[int, typer.Option("--windows", min=1, help="Of each text, for evaluation.")] = EVALUATION,
    threads: Annotated[int | None, typer.Option(min=1, show_default=False, help="Default: all cores.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the compressed models go; what is there is used.")] = FOLDER,
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="Figures; those of other rows in it are "
                                            "kept.")] = FIGURES,
):
    """Compress a model in many ways and measure the perplexity of each on the builtin texts.

    The inputs' moments are taken once, two minutes for smollm2 on two cores; a row then takes one to two.

    Example: dojang bench quality "recipe 3" X4 --json build/quality.json
    """
    chosen = names or list(ROWS)
    for name in chosen:
        if name not in ROWS:
            raise BenchError(f"row {name!r} is none of {', '.join(map(repr, ROWS))}")
    texts = {name: builtin_text(name) for name in BUILTIN}
    known = _read(json_file)
    check_writable(json_file)
    folder.mkdir(parents=True, exist_ok=True)
    threads = threads or os.cpu_count() or 1
    source = load(model)
    tokenizer = Tokenizer(source.tokenizer)
    length = min(LENGTH, source.shape.context)
    found = {name: windows(text, tokenizer, count, length, name) for name, text in texts.items()}
    calibration, _ = calibration_windows(tokenizer, length=length)

    def perplexities(checkpoint: Checkpoint, text: str) -> dict[str, float]:
        opened = golden_model(checkpoint, length) if numerics is Numerics.GOLDEN else float_model(checkpoint)
        result = {}
        for name, ids in found.items():
            with console.status(f"{text}: {name}"):
                result[name] = round(evaluate(opened, ids).perplexity, 3)
        return result

    def write(known: dict) -> None:
        json_file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")

    setting = {"command": "dojang bench quality", "model": source.name, "windows": count, "length": length,
               "calibration_windows": len(calibration)}
    if {key: known.get(key) for key in setting} != setting:
        known = {**setting, "base": {"name": source.name, "numerics": numerics.value,
                                     "bytes_per_token": bytes_per_token(source), **perplexities(source, "base")},
                 "rows": []}
        write(known)
    moments: list[Moments] = []
    for name in chosen:
        plan, seconds = ROWS[name], None
        path = folder / f"{source.name}-{re.sub('[^0-9A-Za-z.]+', '-', name)}{SUFFIX}"
        if not path.exists() or not _made_by(plan, calibration, path):
            if not moments:
                with console.status("calibrating"):
                    moments = [found for _, _, found in hessians(source, calibration, threads)]
            with console.status(name) as status:
                report = compress(source, path, plan, calibration, threads, lambda done, total, text, name=name,
                                  status=status: status.update(f"{name}: {text}"), moments)
            seconds = round(report.seconds, 3)
        compressed = load(path)
        layers = [matrix for label, matrix in compressed.matrices() if label != "head"]
        row = {"name": name, "tuned": False, "label": "measured", "numerics": numerics.value,
               "bits_per_weight": round(8 * sum(matrix.stored_bytes for matrix in layers)
                                        / sum(matrix.rows * matrix.cols for matrix in layers), 4),
               "bytes_per_token": bytes_per_token(compressed), **perplexities(compressed, name),
               "compress_seconds": seconds}
        known = _read(json_file)  # another run may have added rows
        known["rows"] = [other for other in known["rows"] if (other["name"], other["tuned"]) != (name, False)] + [row]
        write(known)
        console.print(f"{name}: {row['bits_per_weight']:.3f} bits, {row['lee']:.2f} lee, {row['pydoc']:.2f} pydoc")
    Console(highlight=False).print(_table(known))
    console.print(f"figures: {json_file}; models: {folder}")


def _read(path: Path) -> dict:
    """Figures in a file, empty if there are none."""
    if not path.exists() or not path.stat().st_size:
        return {}
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} is not JSON, expected figures of this command: {error}") from None
    if not isinstance(figures, dict):
        raise BenchError(f"{path} has no figures of this command")
    return figures


def _made_by(plan: Plan, calibration: np.ndarray, path: Path) -> bool:
    recipe = read_description(path)["recipe"]
    return {**recipe, **plan.as_json(), "windows_sha256": sha256(calibration.tobytes()).hexdigest()} == recipe


def _table(figures: dict) -> Table:
    base = figures["base"]
    table = Table("", "bits a weight in layers", "MB a token", *BUILTIN, title=f"{figures['model']}: perplexity")
    table.add_row("base", "", f"{base['bytes_per_token'] / 1e6:.1f}", *(f"{base[text]:.2f}" for text in BUILTIN))
    for row in sorted(figures["rows"], key=lambda row: -row["bits_per_weight"]):
        table.add_row(row["name"] + (", tuned" if row["tuned"] else ""), f"{row['bits_per_weight']:.3f}",
                      f"{row['bytes_per_token'] / 1e6:.1f}", *(f"{row[text]:.2f}" for text in BUILTIN))
    return table
