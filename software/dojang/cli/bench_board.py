"""``dojang bench board``: a board's bitstream, simulated at the pins of its FPGA, driven over its serial port."""

import time
from typing import Annotated

import numpy as np
import typer
from dojang_hdl.config import WORD_BYTES
from rich.table import Table

from ..checkpoints import load
from ..errors import DojangError
from ..generation import Generation
from ..sampling import Sampler
from .bench import PROMPT, BenchError
from .boards import import_board_packages
from .console import output, working
from .model_argument import MODEL_HELP
from .output_file import JsonFile, prepare, write_json

CONTEXT = 128
"""Positions reserved."""

MISSING_BYTES = 8192
"""At the end of the model, that are not in the board's memory when the upload begins."""

LINK_TIMEOUT_S = 120.0
"""The simulated board may need long for what a real one does at once."""

BOUNDARY = {"ddr3": "LiteDRAM's DFI", "sdr": "the FPGA's pins"}
"""Where the model of the memory begins."""


def board(
    name: Annotated[str, typer.Argument(metavar="BOARD", help="One of those that `dojang boards` lists.")],
    model: Annotated[str, typer.Option(help=MODEL_HELP)] = "glassllm",
    tokens: Annotated[int, typer.Option(min=1, help="Tokens to decode after a prompt of one.")] = 8,
    chip: Annotated[str | None, typer.Option(metavar="PRESET", help="A chip of the board.")] = None,
    baud: Annotated[int | None, typer.Option(help="A rate of the board's serial port.")] = None,
    whole_upload: Annotated[bool, typer.Option("--whole-upload", help="Send all of the model over the UART (many "
                            "minutes); without it all but its end is in the memory.")] = False,
    no_upload: Annotated[bool, typer.Option("--no-upload", help="All of the model is in the memory from the "
                         "start; the chip is not asked for its CRC, which takes it longer than many tokens of a large "
                         "model.")] = False,
    json_file: JsonFile = None,
):
    """Decode on a simulated board over its simulated UART; every logit is compared with the golden model.

    The exit code is 2 if they are not equal.

    Example: dojang bench board ecpix5 --tokens 8 --json figures.json

    Example: dojang bench board ecpix5 --model smollm2 --tokens 2 --no-upload
    """
    prepare(json_file)
    import_board_packages("bench board")
    from dojang_fpga.boards import BoardError
    from dojang_fpga.boards import board as find_board

    started = time.perf_counter()
    try:
        target = find_board(name)
        config, baud = target.chip(chip), target.baud(baud)
    except BoardError as error:
        raise DojangError(str(error)) from None
    if whole_upload and no_upload:
        raise BenchError("--whole-upload and --no-upload were both given, expected one of them")
    with working("reading the model") as progress:
        checkpoint = load(model)
        context = min(CONTEXT, checkpoint.shape.context)
        if tokens > context:
            raise BenchError(f"{tokens} tokens are more than the context of {context}")
        run, summary, traffic, lit = _decode(target, config, baud, checkpoint, context, tokens,
                                             (not whole_upload, no_upload), progress)
    figures = _figures(target, config, checkpoint.name, baud, run, summary, traffic, lit)
    figures |= {"whole_upload": whole_upload, "upload_checked": not no_upload,
                "wall_seconds": round(time.perf_counter() - started, 1)}
    write_json(json_file, figures)
    output.print(_table(figures))
    if not run.golden_match:
        raise BenchError("the logits are not those of the golden model")


def _decode(target, config, baud, checkpoint, context, tokens, held, progress):
    """``held``: most of the model is in the memory beforehand, and all of it."""
    from dojang_sim.board.boards import BoardSimulation

    from ..compile import compile_model
    from ..sessions.board import open_board

    simulation = BoardSimulation(target, config, baud, on_build=lambda: progress(
        "building the simulated board (minutes, once)"))
    try:
        most, whole = held
        if most:
            preload(compile_model(checkpoint, config, context), simulation.memory, 0 if whole else MISSING_BYTES)
        with open_board(checkpoint, simulation.port, baud, context=context, compare_golden=True,
                        timeout_s=LINK_TIMEOUT_S, loaded=whole, progress=progress) as session:
            run = Generation(session, PROMPT, Sampler(0.0, 1.0, None), eos_ids=())
            for done, _ in enumerate(run.decode(tokens), 1):
                progress(f"decoding: {done} of {tokens} tokens")
            summary = session.summary()
        traffic = simulation.stop()
        return run, summary, traffic, simulation.lit(traffic)
    finally:
        simulation.stop()


def preload(image, memory: np.ndarray, missing: int = MISSING_BYTES) -> None:
    """All but the last ``missing`` bytes, as a guarded memory holds it."""
    contents = np.zeros(image.protection.end * WORD_BYTES, np.uint8)
    image.fill([contents])
    image.protection.store(memory, contents, image.tiles(0))
    end = image.protection.physical_words * WORD_BYTES
    memory[end - missing:end] = 0


def _figures(target, config, model, baud, run, summary, traffic, lit) -> dict:
    peak = target.peak_bytes_per_s / target.clock_hz
    cycles = sum(run.decode_cycles) / len(run.tokens)
    return {
        "board": target.name, "chip": config.name, "model": model, "label": "simulated",
        "memory_boundary": BOUNDARY[target.dram.kind], "golden_match": run.golden_match, "tokens": len(run.tokens),
        "clock_hz": target.clock_hz, "dram_peak_bytes_per_cycle": peak,
        "dram_utilization": summary["dram_utilization"] * config.peak_bytes_per_cycle / peak,
        "engine_utilization": summary["engine_utilization"], "cycles_per_token": cycles,
        "decode_cycles": run.decode_cycles, "dram_bytes_per_token": sum(run.dram_bytes) / len(run.tokens),
        "tokens_per_s_predicted": target.clock_hz / cycles, "memory_guard": summary["memory_guard"],
        "upload": summary["upload"], "link": summary["link"], "baud": baud,
        "uart_bytes_to_chip": traffic.bytes_to_chip, "uart_bytes_from_chip": traffic.bytes_from_chip,
        "bad_stop_bits": traffic.bad_stop_bits, "leds": sorted(lit), "simulated_pin_clocks": traffic.clocks,
        "simulated_pin_hz": traffic.clocks_per_second,
    }


def _table(figures: dict) -> Table:
    table = Table("figure", "value", title=f"{figures['model']} on {figures['board']} ({figures['chip']}), simulated; "
                                           f"memory at {figures['memory_boundary']}")
    for name, value in (
        ("equal to the golden model", "yes, every logit of every position" if figures["golden_match"] else "NO"),
        ("tokens", str(figures["tokens"])),
        ("cycles per token", f"{figures['cycles_per_token']:,.0f}"),
        ("DRAM utilisation", f"{figures['dram_utilization']:.1%} of {figures['dram_peak_bytes_per_cycle']:g} bytes a "
                             "core cycle"),
        ("tokens/s (predicted)", f"{figures['tokens_per_s_predicted']:,.1f} at {figures['clock_hz'] / 1e6:g} MHz"),
        ("bytes over the UART", f"{figures['uart_bytes_to_chip']:,} to the chip, {figures['uart_bytes_from_chip']:,} "
                                f"back, {figures['baud']:,} baud"),
        ("simulated clocks per second", f"{figures['simulated_pin_hz']:,.0f}"),
        ("wall time", f"{figures['wall_seconds']:.1f} s"),
    ):
        table.add_row(name, value)
    return table
