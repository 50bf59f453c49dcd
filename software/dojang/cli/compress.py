"""``dojang compress``: a model in few bits a weight."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.progress import TextColumn
from rich.table import Table

from ..checkpoints import Matrix, load
from ..checkpoints.form import TURN
from ..compress.compress import Done, Report, compress
from ..compress.errors import CompressError
from ..compress.plan import RECIPES, Options, Plan, Rule, parse_bits, parse_group, parse_rule
from ..interrupts import INTERRUPTED
from ..texts import CALIBRATION, LENGTH, calibration_windows
from ..tokenizer import Tokenizer
from .console import console, progress_bar
from .output_file import JsonFile, prepare, write_json

EMBEDDING, HEAD = "token_embd.weight", "output.weight"


class Method(StrEnum):
    RTN = "rtn"
    GPTQ = "gptq"
    TRELLIS = "trellis"
    BCQ = "bcq"


class Prune(StrEnum):
    MAGNITUDE = "magnitude"
    WANDA = "wanda"
    SPARSEGPT = "sparsegpt"


class Recipe(StrEnum):
    FOUR = "4"
    THREE = "3"
    TWO_AND_A_HALF = "2.5"
    TWO = "2"


assert [recipe.value for recipe in Recipe] == list(RECIPES)


def compress_model(
    source: Annotated[str, typer.Argument(metavar="IN", help="Path of a model file, smollm2 or glassllm.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write, by custom NAME.dojang.")],
    recipe: Annotated[Recipe | None, typer.Option(help="All options for about so many bits a weight.")] = None,
    bits: Annotated[str | None, typer.Option(help="1 to 8, or a window code: x2, x2.5, x3, x4.")] = None,
    group: Annotated[str | None, typer.Option(help="Columns that share a scale: row, 32, 64, 128.")] = None,
    method: Annotated[Method | None, typer.Option(help="Nearest, error feedback, window code, free planes. Default: "
                                                  "trellis for window codes, else gptq.")] = None,
    rotate: Annotated[bool | None, typer.Option(
        "--rotate/--no-rotate", show_default=False,
        help="Store matrices times a Walsh-Hadamard transform, which spreads outliers; the chip transforms the input. "
             "Default: --rotate.")] = None,
    sparsity: Annotated[float | None, typer.Option(help="Share of weights that become zero; needs --prune.")] = None,
    prune: Annotated[Prune | None, typer.Option(help="How these are chosen.")] = None,
    keep: Annotated[list[str] | None, typer.Option(
        metavar="PATTERN", help="Leave tensors as they are, e.g. attn_v or 'blk.0.*'; several times for several. "
                                "Embedding and head are kept anyway.")] = None,
    tensor: Annotated[list[str] | None, typer.Option(
        metavar="RULE", help="Options for some tensors, e.g. attn_v:bits=x4 or 'blk.2.*:bits=8,group=64,rotate=no'; "
                             "later ones win. The pattern sensitive means the layers that suffer most.")] = None,
    calibration: Annotated[str, typer.Option(
        metavar="FILE", help="Text that errors are weighed on, or builtin.")] = "builtin",
    count: Annotated[int, typer.Option("--windows", min=1, help="Windows of calibration.")] = CALIBRATION,
    threads: Annotated[int | None, typer.Option(min=1, show_default=False, help="Default: all cores.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the rotations' signs.")] = 0,
    json_file: JsonFile = None,
):
    """Compress the matrices of a model; what comes of it every command reads like any other model.

    Stopped and called again, it goes on where it was. smollm2 takes some minutes.

    Example: dojang compress smollm2 smollm2-x3.dojang --recipe 3
    """
    prepare(json_file, source)
    plan = _plan(recipe, bits, group, method, rotate, sparsity, prune, seed)
    rules = [*plan.rules, *(parse_rule(text) for text in tensor or ()),
             *(Rule(pattern, {"keep": True}) for pattern in keep or ())]
    plan = Plan(plan.options, tuple(rules), seed)
    if target.is_dir() or (target.exists() and Path(source).exists() and target.samefile(source)):
        raise CompressError(f"{target} cannot be written: it is {'a folder' if target.is_dir() else 'the source'}")
    checkpoint = load(source)
    length = min(LENGTH, checkpoint.shape.context)
    windows, texts = calibration_windows(Tokenizer(checkpoint.tokenizer), calibration, count, length)
    console.print(f"{checkpoint.name}: calibration on {windows.size:,} tokens of {' and '.join(texts)}")
    try:
        with progress_bar(TextColumn("{task.percentage:.0f} %")) as progress:
            task = progress.add_task("reading the model", total=None)
            report = compress(checkpoint, target, plan, windows, threads or os.cpu_count() or 1,
                              lambda done, total, text: progress.update(task, completed=done, total=total,
                                                                        description=text))
    except KeyboardInterrupt:
        console.print("stopped by Ctrl-C; the same command goes on from here")
        raise typer.Exit(INTERRUPTED) from None
    result = {
        "model": checkpoint.name, "file": str(target), "file_bytes": target.stat().st_size, "plan": plan.as_json(),
        "recipe": None if recipe is None else recipe.value, "calibration_tokens": windows.size,
        "calibration_texts": texts, "sensitive_layers": list(report.sensitive), "resumed_tensors": report.resumed,
        "kinds": _kinds(report), "wall_seconds": report.seconds,
    }
    write_json(json_file, result)
    console.print(_table(result))
    console.print(f"model: {target}" + ("" if json_file is None else f"; figures: {json_file}"))


def _plan(recipe: Recipe | None, bits: str | None, group: str | None, method: Method | None, rotate: bool | None,
          sparsity: float | None, prune: Prune | None, seed: int) -> Plan:
    given = {"bits": bits, "group": group, "method": method, "sparsity": sparsity, "prune": prune}
    named = [f"--{name}" for name, value in given.items() if value is not None]
    named += [] if rotate is None else ["--rotate" if rotate else "--no-rotate"]
    if recipe is not None:
        if named:
            raise CompressError(f"--recipe {recipe.value} already says what {named[0]} does; give one of them, or a "
                                "--tensor rule")
        return RECIPES[recipe.value]
    if bits is None:
        raise CompressError("give --recipe or --bits")
    options: dict[str, Any] = {"bits": parse_bits(bits)}
    options |= {} if group is None else {"group": parse_group(group)}
    options |= {} if method is None else {"method": method.value}
    options |= {} if rotate is None else {"rotate": rotate}
    options |= {} if sparsity is None else {"sparsity": sparsity}
    options |= {} if prune is None else {"prune": prune.value}
    plan = Plan(Options(**options), seed=seed)
    plan.options.recipe(2 * TURN)  # a contradiction is found before the model is read
    return plan


def _kinds(report: Report) -> dict[str, dict]:
    """Figures of each kind of tensor, of all layers' matrices and of all matrices that a token reads."""
    tied = HEAD not in report.tensors
    kinds: dict[str, list[Done]] = {}
    for name, done in report.tensors.items():
        if name.startswith("blk."):
            kinds.setdefault(name.split(".")[2], []).append(done)
    layers = [done for found in kinds.values() for done in found]
    head = [report.tensors[EMBEDDING if tied else HEAD]]
    return {kind: _figures(found) for kind, found in (*kinds.items(), ("all layers", layers), ("head", head),
                                                      ("all a token reads", [*layers, *head]))}


def _figures(found: list[Done]) -> dict:
    bits, weights, error = {"payload": 0.0, "masks": 0.0, "scales": 0.0}, 0, []
    for done in found:
        matrix = done.matrix
        if isinstance(matrix, Matrix):
            weights += matrix.rows * matrix.cols
            scales = 16 * (matrix.scale.size + (0 if matrix.offset is None else matrix.offset.size))
            masks = 0 if matrix.mask is None else matrix.mask.size
            bits["scales"] += scales
            bits["masks"] += masks
            bits["payload"] += 8 * matrix.stored_bytes - scales - masks
        else:
            weights += matrix.size
            bits["payload"] += 8 * matrix.nbytes
        if done.error is not None:
            error.append(done.error)
    forms = sorted({done.matrix.source if isinstance(done.matrix, Matrix) else str(done.matrix.dtype)
                    for done in found})
    return {"tensors": len(found), "weights": weights, "forms": forms, "bits": sum(bits.values()) / weights,
            **{f"{part}_bits": value / weights for part, value in bits.items()},
            "error": float(np.mean(error)) if error else None, "seconds": sum(done.seconds for done in found)}


def _table(result: dict) -> Table:
    table = Table("tensors", "", "bits a weight", "payload", "masks", "scales", "error", "seconds",
                  title=f"{result['model']}: {result['file_bytes']:,} bytes in {result['wall_seconds']:.0f} s; the "
                        "error is relative, weighed by the inputs; seconds are of one thread")
    for kind, row in result["kinds"].items():
        error = "–" if row["error"] is None else f"{row['error']:.4f}"
        table.add_row(f"{row['tensors']} {kind}", "; ".join(row["forms"]), f"{row['bits']:.3f}",
                      *(f"{row[f'{part}_bits']:.3f}" for part in ("payload", "masks", "scales")), error,
                      f"{row['seconds']:.1f}")
    return table
