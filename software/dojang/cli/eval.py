"""``dojang eval``: how well a model predicts text."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn
from rich.table import Table

from ..checkpoints import load
from ..errors import DojangError
from ..evaluation import Evaluation, GoldenModel, Numerics, bits_per_weight, bytes_per_token, evaluate
from ..sessions import saturation_message
from ..texts import BUILTIN, EVALUATION, LENGTH, builtin_text, installed_texts, read_text, windows
from ..tokenizer import Tokenizer
from .console import console, output, progress_bar
from .options import Weights
from .output_file import JsonFile, prepare, write_json

MODEL = "Path of a model file, smollm2 or glassllm."


def eval_model(
    model: Annotated[str, typer.Argument(help=MODEL)],
    text: Annotated[list[str] | None, typer.Option(
        metavar="FILE", show_default=False,
        help=f"A file in UTF-8, builtin (of {' and '.join(BUILTIN)} those that are installed) or the name of one of "
             "these; several times for several. Default: builtin.")] = None,
    against: Annotated[str | None, typer.Option(
        metavar="MODEL", help="Also say how far the predictions are from this model's.")] = None,
    scale_set: Annotated[str | None, typer.Option(
        "--set", metavar="FILE|NAME", help="Scales and gains of a scale set in place of the model's own.")] = None,
    count: Annotated[int, typer.Option("--windows", min=1, help="Windows of each text, from its beginning; each is a "
                                       "text of its own.")] = EVALUATION,
    length: Annotated[int, typer.Option(min=2, help="Tokens of a window.")] = LENGTH,
    numerics: Annotated[Numerics, typer.Option(help="The chip's, bit for bit, by numpy or compiled (fast), "
                                              "or float32.")] = Numerics.GOLDEN,
    weights: Weights = 8,
    json_file: JsonFile = None,
):
    """Perplexity of a model on text, bits per weight and bytes per token; with --against the divergence from another.

    Two builtin texts take some four minutes for a model like smollm2, and as long again for --against.

    Example: dojang eval small.dojang --against smollm2 --text builtin --json figures.json
    """
    started = time.perf_counter()
    prepare(json_file, model, *filter(None, (against, scale_set)))
    checkpoint = load(model, weights)
    chosen = checkpoint.find_set(scale_set) if scale_set is not None else None
    checkpoint = checkpoint.with_set(chosen) if chosen else checkpoint
    other = None if against is None else load(against, weights)
    if other is not None and (other.shape.vocab != checkpoint.shape.vocab
                              or list(other.tokenizer.tokens) != list(checkpoint.tokenizer.tokens)):
        raise DojangError(f"{other.name} has other tokens than {checkpoint.name}, their predictions cannot be compared")
    for each in filter(None, (checkpoint, other)):
        if length > each.shape.context:
            raise DojangError(f"windows of {length} tokens were asked for, {each.name} has a context of "
                              f"{each.shape.context}")
    tokenizer = Tokenizer(checkpoint.tokenizer)
    found_texts: dict[str, str] = {}
    for given in text or ["builtin"]:
        if given == "builtin":
            found_texts |= installed_texts()
            for name in BUILTIN:
                if name not in found_texts:
                    console.print(f"without {name}, which is not installed (dojang eval --text {name} says how)")
        else:
            found_texts[given] = builtin_text(given) if given in BUILTIN else read_text(Path(given))
    texts = {name: windows(found, tokenizer, count, length, name) for name, found in found_texts.items()}
    found: dict[str, Evaluation] = {}
    with progress_bar(MofNCompleteColumn()) as progress:
        task = progress.add_task("windows", total=count * len(texts))
        ours = numerics.open(checkpoint, length)
        theirs = None if other is None else numerics.open(other, length)
        for number, (name, ids) in enumerate(texts.items()):
            progress.update(task, description=name)
            found[name] = evaluate(ours, ids, theirs, lambda done, at=number * count: progress.update(
                task, completed=at + done))
    for each, opened in ((checkpoint, ours), (other, theirs)):
        if isinstance(opened, GoldenModel) and each is not None and (told := saturation_message(opened.saturated)):
            console.print(f"{each.name}: {told}")
    result = {
        "model": checkpoint.name, "set": chosen.name if chosen else None,
        "against": None if other is None else other.name, "numerics": numerics.value,
        "bits_per_weight": bits_per_weight(checkpoint), "bytes_per_token": bytes_per_token(checkpoint),
        "windows": count, "length": length,
        "texts": {name: {"tokens": one.tokens, "perplexity": one.perplexity, "kl": one.kl, "top1": one.top1,
                         "against_perplexity": one.other_perplexity} for name, one in found.items()},
        "wall_seconds": time.perf_counter() - started,
    }
    if json_file is not None:
        write_json(json_file, result)
        console.print(f"figures: {json_file}")
    _print(result)


def _print(result: dict) -> None:
    with_set = f" with {result['set']}" if result["set"] else ""
    table = Table("text", "tokens", "perplexity", *(
        () if result["against"] is None else (f"of {result['against']}", "KL, nats", "same best token")),
        title=f"{result['model']}{with_set}: {result['bits_per_weight']:.3f} bits a weight, "
              f"{result['bytes_per_token']:,} bytes a token ({result['numerics']})")
    for name, one in result["texts"].items():
        row = [name, f"{one['tokens']:,}", f"{one['perplexity']:.3f}"]
        if one["kl"] is not None:
            row += [f"{one['against_perplexity']:.3f}", f"{one['kl']:.4f}", f"{one['top1']:.1%}"]
        table.add_row(*row)
    output.print(table)
