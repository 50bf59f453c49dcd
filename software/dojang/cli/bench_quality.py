"""``dojang bench quality``: perplexity by bits a weight, of many ways to compress a model."""

import os
import re
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from dojang_hdl.isa import Code
from rich.table import Table

from ..checkpoints import Checkpoint, load, load_scale_set
from ..checkpoints.container import SUFFIX, read_description
from ..compress.calibration import Moments, hessians
from ..compress.compress import compress
from ..compress.plan import RECIPES, Options, Plan
from ..evaluation import Numerics, bytes_per_token, evaluate
from ..texts import BUILTIN, EVALUATION, LENGTH, builtin_text, calibration_windows, windows
from ..tokenizer import Tokenizer
from ..tune.options import Options as Training
from ..tune.options import best_precision
from .bench import BenchError
from .console import console, output, working
from .documents import read_figures, update_document
from .output_file import prepare, write_json
from .tune import aim, check_torch, train

if TYPE_CHECKING:
    from ..tune.train import Target

FIGURES = Path("docs/figures/compression-quality.json")
DOCUMENT = Path("docs/user/compress.md")
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

TITLES = ("row", "bits a weight of the layers", "MB a token", *BUILTIN, "steps of tuning")


def quality(
    names: Annotated[list[str] | None, typer.Argument(metavar="[ROW]...", show_default=False, help=(
        f"Some of {', '.join(map(repr, ROWS))}; all without any."))] = None,
    model: Annotated[str, typer.Option(help="Path of a model file, smollm2 or glassllm.")] = "smollm2",
    numerics: Annotated[Numerics, typer.Option(help="Of the evaluation: float32, or the chip's, by numpy, which "
                                               "takes some ten times as long, or compiled (fast).")] = Numerics.FLOAT,
    count: Annotated[int, typer.Option("--windows", min=1, help="Of each text, for evaluation.")] = EVALUATION,
    threads: Annotated[int | None, typer.Option(min=1, show_default=False, help="Default: all cores.")] = None,
    tune: Annotated[int | None, typer.Option(
        metavar="STEPS", min=1, show_default=False, help="Also train scales and gains of each row for so many steps; "
                                                         "needs PyTorch.")] = None,
    folder: Annotated[Path, typer.Option(help="Where the compressed models go; what is there is used.")] = FOLDER,
    json_file: Annotated[Path, typer.Option("--json", metavar="FILE", help="Figures; those of other rows in it are "
                                            "kept.")] = FIGURES,
):
    """Compress a model in many ways and measure the perplexity of each on the builtin texts.

    The inputs' moments are taken once, two minutes for smollm2 on two cores; a row then takes one to two, and with
    --tune three seconds a step on one core. What is interrupted goes on with the same command.

    Example: dojang bench quality "recipe 3" X4 --json build/quality.json
    """
    chosen = names or list(ROWS)
    for name in chosen:
        if name not in ROWS:
            raise BenchError(f"row {name!r} is none of {', '.join(map(repr, ROWS))}")
    if tune is not None:
        check_torch()
    texts = {name: builtin_text(name) for name in BUILTIN}
    known = read_figures(json_file)
    prepare(json_file, keep=True)
    folder.mkdir(parents=True, exist_ok=True)
    threads = threads or os.cpu_count() or 1
    source = load(model)
    tokenizer = Tokenizer(source.tokenizer)
    length = min(LENGTH, source.shape.context)
    found = {name: windows(text, tokenizer, count, length, name) for name, text in texts.items()}
    calibration, _ = calibration_windows(tokenizer, length=length)

    def perplexities(checkpoint: Checkpoint, text: str) -> dict[str, float]:
        opened = numerics.open(checkpoint, length)
        result = {}
        for name, ids in found.items():
            with working(f"{text}: {name}"):
                result[name] = round(evaluate(opened, ids).perplexity, 3)
        return result

    def write(known: dict) -> None:
        write_json(json_file, known, indent=1)

    def add(row: dict) -> None:
        known = read_figures(json_file)  # another run may have added rows
        which = row["name"], row["tuned"]
        known["rows"] = [other for other in known["rows"] if (other["name"], other["tuned"]) != which] + [row]
        write(known)
        console.print(f"{row['name']}{', tuned' if row['tuned'] else ''}: {row['bits_per_weight']:.3f} bits, "
                      f"{row['lee']:.2f} lee, {row['pydoc']:.2f} pydoc")

    setting = {"command": "dojang bench quality", "model": source.name, "windows": count, "length": length,
               "calibration_windows": len(calibration)}
    if {key: known.get(key) for key in setting} != setting:
        known = {**setting, "base": {"name": source.name, "numerics": numerics.value,
                                     "bytes_per_token": bytes_per_token(source), **perplexities(source, "base")},
                 "rows": []}
        write(known)
    options = Training(steps=tune or 1, precision=best_precision())
    target = cache(lambda: aim(source, calibration, options, threads))
    moments: list[Moments] = []
    for name in chosen:
        plan, seconds = ROWS[name], None
        path = folder / f"{source.name}-{re.sub('[^0-9A-Za-z.]+', '-', name)}{SUFFIX}"
        if not path.exists() or not _made_by(plan, calibration, path):
            if not moments:
                with working("calibrating"):
                    moments = [found for _, _, found in hessians(source, calibration, threads)]
            with working(name) as update:
                report = compress(source, path, plan, calibration, threads, lambda done, total, text, name=name,
                                  update=update: update(f"{name}: {text}"), moments)
            seconds = round(report.seconds, 3)
        compressed = load(path)
        layers = [matrix for label, matrix in compressed.matrices() if label != "head"]
        row = {"name": name, "tuned": False, "label": "measured", "numerics": numerics.value,
               "bits_per_weight": round(8 * sum(matrix.stored_bytes for matrix in layers)
                                        / sum(matrix.rows * matrix.cols for matrix in layers), 4),
               "bytes_per_token": bytes_per_token(compressed)}
        if tune is None or seconds is not None or not _has(read_figures(json_file), name):
            add({**row, **perplexities(compressed, name), "compress_seconds": seconds})
        if tune is not None:
            figures = _tuned(path, compressed, options, len(calibration), target)
            tuned = compressed.with_set(load_scale_set(Path(figures["set"])))
            add({**row, "tuned": True, **perplexities(tuned, f"{name}, tuned"), "tune_steps": tune,
                 "tune_seconds": round(figures["seconds"], 3), "tune_kl_first": round(figures["kl_first"], 4),
                 "tune_kl_last": round(figures["kl_last"], 4)})
    known = read_figures(json_file)
    if json_file == FIGURES:
        update_document(DOCUMENT, known, {"quality": document_table})
    output.print(_table(known))
    console.print(f"figures: {json_file}; models: {folder}")


def _has(figures: dict, name: str) -> bool:
    return any((row["name"], row["tuned"]) == (name, False) for row in figures["rows"])


def _tuned(path: Path, compressed: Checkpoint, options: Training, windows: int, target: "Callable[[], Target]"
           ) -> dict:
    """Figures of a scale set beside the model: of one that is there already, or a new one."""
    out = path.with_name(f"{path.stem}-tuned-{options.steps}.set")
    about = out.with_name(f"{out.name}.json")
    wanted = {**asdict(options), "windows": windows}
    figures = read_figures(about)
    if out.exists() and {key: figures.get(key) for key in wanted} == wanted:
        if load_scale_set(out).codes_sha256 == compressed.codes_sha256:
            return {**figures, "set": str(out)}
    with working("tuning") as update:
        figures = train(compressed, target(), options, out, lambda done, kl: update(
            f"{path.stem}: {done} of {options.steps} steps, KL {kl:.3f}"))
    write_json(about, figures)
    return figures


def _made_by(plan: Plan, calibration: np.ndarray, path: Path) -> bool:
    recipe = read_description(path)["recipe"]
    return {**recipe, **plan.as_json(), "windows_sha256": sha256(calibration.tobytes()).hexdigest()} == recipe


def _rows(figures: dict) -> list[list[str]]:
    def line(name, bits, row, steps=""):
        perplexities = (f"{row[text]:.2f} (× {row[text] / base[text]:.2f})" for text in BUILTIN)
        return [name, bits, f"{row['bytes_per_token'] / 1e6:.1f}", *perplexities, steps]

    base = figures["base"]
    rows = sorted(figures["rows"], key=lambda row: (-row["bits_per_weight"], row["name"], row["tuned"]))
    return [line("base", "", base)] + [line(row["name"] + (", tuned" if row["tuned"] else ""),
                                            f"{row['bits_per_weight']:.3f}", row, str(row.get("tune_steps", "")))
                                       for row in rows]


def _table(figures: dict) -> Table:
    table = Table(*TITLES, title=f"{figures['model']}: perplexity (÷ base)")
    for row in _rows(figures):
        table.add_row(*row)
    return table


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    lines = [list(TITLES), ["---", *["--:"] * (len(TITLES) - 1)], *_rows(figures)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
