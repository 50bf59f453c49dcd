"""``dojang tune``: scales and gains of a compressed model, trained against the model it was made from."""

import os
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.progress import MofNCompleteColumn

from ..checkpoints import Checkpoint, load, write_scale_set
from ..checkpoints.container import is_container
from ..interrupts import INTERRUPTED
from ..texts import CALIBRATION, LENGTH, calibration_windows
from ..tokenizer import Tokenizer
from ..tune import TuneError
from ..tune.base import check_tokens, find_base
from ..tune.options import Options, best_precision
from ..tune.state import state_path
from .console import console, progress_bar
from .output_file import JsonFile, prepare, write_json

DEFAULT = Options()


if TYPE_CHECKING:
    from ..tune.train import Target


class Precision(StrEnum):
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def tune_model(
    model: Annotated[str, typer.Argument(help="A file that dojang compress has written.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The scale set to write, by custom NAME.set.")],
    against: Annotated[str | None, typer.Option(
        metavar="BASE", show_default=False, help="The model whose predictions are the target: a path, smollm2 or "
        "glassllm. Default: the one that MODEL was made from.")] = None,
    steps: Annotated[int, typer.Option(min=1, help="Of the optimiser.")] = DEFAULT.steps,
    batch: Annotated[int, typer.Option(min=1, help="Windows a step.")] = DEFAULT.batch,
    rate: Annotated[float, typer.Option(
        min=0, help="Of the scales' logarithms; it falls along a cosine to 0.")] = DEFAULT.rate,
    gain_rate: Annotated[float, typer.Option(min=0, help="Of the gains' logarithms, likewise.")] = DEFAULT.gain_rate,
    count: Annotated[int, typer.Option("--windows", min=1, help=f"Of {LENGTH} tokens, for training.")] = CALIBRATION,
    calibration: Annotated[str, typer.Option(metavar="FILE", help="Text to train on, or builtin.")] = "builtin",
    seed: Annotated[int, typer.Option(min=0, help="Of the windows' order.")] = DEFAULT.seed,
    precision: Annotated[Precision | None, typer.Option(
        show_default=False, help="Of the products' operands. Default: bfloat16 if the processor multiplies it, else "
        "float32.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, show_default=False, help="Default: all cores.")] = None,
    json_file: JsonFile = None,
):
    """Train the scales and norm gains of a compressed model; its codes stay, and so do its bits and its speed.

    Stopped and called again, it goes on where it was. smollm2 takes some three seconds a step on one core.

    Example: dojang tune smollm2-x3.dojang smollm2-x3.set
    """
    prepare(json_file, model, *filter(None, (against,)))
    check_torch()
    path = Path(model)
    if not path.is_file() or not is_container(path):
        raise TuneError(f"{model} is not a file that dojang compress has written, expected a compressed model")
    if target.is_dir() or (target.exists() and target.samefile(path)):
        raise TuneError(f"{target} cannot be written: it is {'a folder' if target.is_dir() else 'the model'}")
    state = state_path(target)
    prepare(state, keep=True)
    checkpoint = load(path)
    base = find_base(path) if against is None else load(against)
    check_tokens(checkpoint, base)
    length = min(LENGTH, checkpoint.shape.context, base.shape.context)
    windows, texts = calibration_windows(Tokenizer(checkpoint.tokenizer), calibration, count, length)

    options = Options(steps, batch, rate, gain_rate, seed, precision.value if precision else best_precision())
    console.print(f"{checkpoint.name}: {steps} steps of {batch * length} tokens towards {base.name}, on "
                  f"{windows.size:,} tokens of {' and '.join(texts)}, {options.precision}")
    try:
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("reading the models", total=steps)
            result = train(checkpoint, aim(base, windows, options, threads), options, target,
                           lambda done, kl: progress.update(task, completed=done, description=f"KL {kl:.3f}"))
    except KeyboardInterrupt:
        console.print("stopped by Ctrl-C; the same command goes on from here" if state.exists() else
                      "stopped by Ctrl-C, before there was anything to go on from")
        raise typer.Exit(INTERRUPTED) from None
    result["texts"] = texts
    write_json(json_file, result)
    console.print(f"KL {result['kl_first']:.4f} in the first steps, {result['kl_last']:.4f} in the last; "
                  f"{result['seconds']:.0f} s")
    console.print(f"scale set: {target}" + ("" if json_file is None else f"; figures: {json_file}"))


def aim(base: Checkpoint, windows: np.ndarray, options: Options, threads: int | None) -> "Target":
    """What is trained towards; also sets the threads of PyTorch."""
    from ..tune.train import Target, use_threads  # need PyTorch

    use_threads(threads or os.cpu_count() or 1)
    return Target(base, windows, options.precision)


def train(checkpoint: Checkpoint, aimed: "Target", options: Options, target: Path,
          progress: Callable[[int, float], None]) -> dict:
    """Train, or go on with it, and write the set; figures for a JSON."""
    from ..tune.train import tune  # needs PyTorch

    state, windows = state_path(target), aimed.windows
    report = tune(checkpoint, aimed, options, state, target.name, progress)
    write_scale_set(target, report.scale_set)
    state.unlink(missing_ok=True)
    return {
        "model": checkpoint.name, "against": aimed.name, "set": str(target), **asdict(options), "windows": len(windows),
        "length": windows.shape[1], "trained": report.counts, "kl_first": report.first, "kl_last": report.last,
        "kl": report.kl, "resumed_steps": report.resumed, "seconds": report.seconds,
    }


def check_torch() -> None:
    """TuneError if PyTorch is not there; nothing is imported."""
    if find_spec("torch") is None:
        raise TuneError("tuning needs PyTorch, which is not installed (pip install 'dojang[tune]', or in a clone "
                        ".venv/bin/pip install -e '.[tune]')")
