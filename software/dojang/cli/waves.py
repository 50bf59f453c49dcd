"""``dojang waves``: a waveform of a small model, ready to be looked at."""

from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import PRESETS, ChipConfig, preset

from ..checkpoints import load
from ..sessions import Session, Waves, open_session
from .console import output, working
from .model_argument import MODEL_HELP
from .options import Weights
from .output_file import prepare

CONTEXT = 128
"""Positions reserved; the cycles recorded by default are less than one."""

FIRST_TOKEN = 1


def waves(
    model: Annotated[str, typer.Argument(help=MODEL_HELP)] = "glassllm",
    chip: Annotated[str, typer.Option(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")] = "sim-1x1",
    cycles: Annotated[int, typer.Option(min=1, help="Clock cycles to record, from the start of a token on.")] = 5000,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of waveform and save file.")] = Path("build/waves"),
    weights: Weights = 8,
):
    """Record a waveform with a GTKWave save file, and print the command that opens them.

    Example: dojang waves --chip sim-2x2 --cycles 2000
    """
    config = preset(chip)
    file = out / f"{Path(model).stem}-{config.name}.vcd"
    prepare(file, model)
    with working("reading the model") as progress:
        session = open_session(load(model, weights), config, waves=Waves(file, cycles), context=CONTEXT,
                               progress=progress)
        with session:
            progress(f"recording {cycles:,} cycles")
            _run(session, cycles)
        progress("writing the save file")
        command = write_save_file(file, config)
    output.print(command)


def _run(session: Session, cycles: int) -> None:
    """Decode greedily until the chip has run for `cycles`, or the context is full."""
    token, done = FIRST_TOKEN, 0
    for _ in range(session.context):
        step = session.decode(token)
        done += step.cycles
        if done >= cycles or step.candidates is None:
            return
        token = int(step.candidates[0][0])


def write_save_file(file: Path, config: ChipConfig) -> str:
    """Write the GTKWave save file beside a waveform; returns the shell command that opens both."""
    from dojang_sim.waves import write_save

    return write_save(file, config).command
