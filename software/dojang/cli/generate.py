"""``dojang generate``: text from a model on a chip."""

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import PRESETS, ChipConfig, preset
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from ..checkpoints import load
from ..errors import DojangError
from ..generation import Generation, check_prompt
from ..sampling import Sampler
from ..sessions import BOARD_CONTEXT, BoardSession, Memory, Waves, open_board, open_session
from ..tokenizer import TextStream, Tokenizer
from .boundary import INTERRUPTED, console, working
from .waves import prepare_waves, write_save_file

CONTEXT = 2048
"""Positions of the KV cache that are reserved if the prompt and the tokens asked for need no more; on a board
`BOARD_CONTEXT`."""


class Backend(StrEnum):
    RTL = "rtl"
    GOLDEN = "golden"
    FAST = "fast"


DEFAULT_CHIP = "sim-2x2"


class UsageError(DojangError):
    """Options that contradict each other."""


def generate(
    model: Annotated[str, typer.Argument(help="Path of a GGUF file, smollm2 or glassllm.")],
    prompt: Annotated[str | None, typer.Option(help="Text to continue.")] = None,
    chat: Annotated[str | None, typer.Option(help="Message to answer, by the model's chat template.")] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Most tokens to generate.")] = 32,
    chip: Annotated[str | None, typer.Option(
        metavar="PRESET", help=f"One of {', '.join(PRESETS)}; {DEFAULT_CHIP} if not given.")] = None,
    board: Annotated[str | None, typer.Option(
        metavar="PORT", help="Run on the board at this serial port, e.g. /dev/ttyUSB0.")] = None,
    baud: Annotated[int | None, typer.Option(min=1, help="Of the board's link; the usual ones are tried.")] = None,
    rtscts: Annotated[bool, typer.Option("--rtscts", help="Flow control on the board's link.")] = False,
    link_timeout: Annotated[float | None, typer.Option(
        metavar="SECONDS", min=0.01, help="Silence of a board after which it is asked again; for slow simulated ones."
        )] = None,
    compare_golden: Annotated[bool, typer.Option(
        "--compare-golden", help="On a board: read all logits and compare them with the golden model's.")] = False,
    backend: Annotated[Backend, typer.Option(
        help="Verilated RTL, the numpy golden model, or its compiled equal.")] = Backend.RTL,
    memory: Annotated[Memory, typer.Option(help="LPDDR4 with its controller, or a word every cycle.")] = Memory.LPDDR4,
    waves: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a waveform (slow, large).")] = None,
    wave_cycles: Annotated[int, typer.Option(min=1, help="Clock cycles of the waveform.")] = 20_000,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write a summary.")] = None,
    weights: Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")] = 8,
    scale_set: Annotated[str | None, typer.Option(
        "--set", metavar="FILE|NAME", help="Scales and gains of a scale set in place of the model's own.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy; 1 if only --top-p is given.")] = None,
    top_p: Annotated[float | None, typer.Option(help="Smallest share of probability sampled from.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the sampling.")] = None,
):
    """Generate text; it goes to standard output as it comes, everything else to standard error.

    Example: dojang generate smollm2 --chat "What is the capital of France?" --board /dev/ttyUSB0
    """
    started = time.perf_counter()
    if board is not None and (chip is not None or waves is not None or backend is not Backend.RTL
                              or memory is not Memory.LPDDR4):
        raise UsageError("--board takes the chip as it is: without --chip, --backend, --memory and --waves")
    if board is None and (baud is not None or rtscts or link_timeout is not None or compare_golden):
        raise UsageError("--baud, --rtscts, --link-timeout and --compare-golden need --board")
    config = preset(chip or DEFAULT_CHIP)
    sampler = _sampler(temperature, top_p, seed)
    if (prompt is None) == (chat is None):
        raise UsageError("give either --prompt or --chat")
    if waves is not None and backend is not Backend.RTL:
        raise UsageError("--waves needs the rtl back end")
    if json_file is not None and (json_file.is_dir() or not _can_create(json_file)):
        raise UsageError(f"cannot write {json_file}")
    if waves is not None:
        prepare_waves(waves)
    with console.status("reading the model"):
        checkpoint = load(model, weights)
        tokenizer = Tokenizer(checkpoint.tokenizer)
        chosen = checkpoint.find_set(scale_set) if scale_set is not None else None
        checkpoint = checkpoint.with_set(chosen) if chosen else checkpoint
    for message in checkpoint.messages:
        console.print(f"{checkpoint.name}: {message}")
    ids = tokenizer.encode(tokenizer.chat(chat) if chat is not None else prompt or "")
    check_prompt(ids, checkpoint.shape)
    least = CONTEXT if board is None else BOARD_CONTEXT
    context = min(checkpoint.shape.context, max(least, len(ids) + tokens))
    with working("placing the model on the chip") as progress:
        if board is not None:
            session = open_board(checkpoint, board, baud, context, compare_golden, rtscts, link_timeout, progress)
            config = session.config
        else:
            session = open_session(
                checkpoint, config, backend.value, waves=Waves(waves, wave_cycles) if waves else None,
                compare_golden=backend is Backend.RTL, context=context, memory=memory, progress=progress)
    with session:
        check_prompt(ids, checkpoint.shape, session.context)
        run = Generation(session, ids, sampler, tokenizer.eos_ids)
        interrupted, decode_seconds = _stream(run, config, tokens, TextStream(tokenizer))
        summary = session.summary()
    result = {
        "model": checkpoint.name, "set": chosen.name if chosen else None, "chip": config.name,
        "backend": backend.value if board is None else "board",
        "prompt_tokens": ids,
        "tokens": run.tokens, "text": tokenizer.decode(run.tokens), "cycles": run.cycles,
        "prefill_cycles": run.prefill_cycles, "decode_cycles": run.decode_cycles, "dram_bytes": run.dram_bytes,
        "dram_utilization": summary["dram_utilization"], "engine_utilization": summary["engine_utilization"],
        "golden_match": run.golden_match, "wall_seconds": time.perf_counter() - started,
        "simulated_hz": summary["simulated_hz"],
    }
    if isinstance(session, BoardSession):
        result["board"] = _measured(session, summary, run, decode_seconds, board)
    if json_file is not None:
        json_file.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console.print(_table(result))
    if waves is not None:
        typer.echo(f"waveform of the first {wave_cycles:,} cycles: {write_save_file(waves, config)}", err=True)
    if interrupted:
        console.print("stopped by Ctrl-C")
        raise typer.Exit(INTERRUPTED)


def _sampler(temperature: float | None, top_p: float | None, seed: int | None) -> Sampler:
    if temperature is None:
        temperature = 0.0 if top_p is None else 1.0
    try:
        return Sampler(temperature, 1.0 if top_p is None else top_p, seed)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _can_create(path: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a"):
            return True
    except OSError:
        return False


def _measured(session: BoardSession, summary: dict, run: Generation, seconds: float, port: str | None) -> dict:
    """What was measured on the board."""
    upload = session.upload
    return {
        "label": "measured", "port": port, "clock_hz": session.clock_hz,
        "tokens_per_s": len(run.tokens) / seconds if run.tokens else None,
        "upload_seconds": upload.seconds, "image_bytes": upload.total, "upload_bytes": upload.sent,
        "link": summary["link"],
    }


def _stream(run: Generation, config: ChipConfig, tokens: int, text: TextStream) -> tuple[bool, float]:
    """Prefill and decode, printing; True if stopped by Ctrl-C, and the seconds of decoding."""
    interrupted, seconds = False, 0.0
    try:
        columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}")
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True,
                      disable=not console.is_terminal) as progress:
            task = progress.add_task("prompt", total=len(run.prompt))
            for done in run.prefill(config.contexts):
                progress.update(task, completed=done)
        started = time.perf_counter()
        for token in run.decode(tokens):
            seconds = time.perf_counter() - started
            typer.echo(text.push(token), nl=False)
    except KeyboardInterrupt:
        interrupted = True
    typer.echo(text.flush())
    return interrupted, seconds


def _table(result: dict) -> Table:
    def share(value):
        return "–" if value is None else f"{value:.1%}"

    decode = result["decode_cycles"]
    table = Table("figure", "value", title=f"{result['model']} on {result['chip']} ({result['backend']})")
    match = {True: "yes, every logit of every position", False: "NO", None: "not compared"}[result["golden_match"]]
    rate = result["simulated_hz"]
    for name, value in (
        ("tokens: prompt + generated", f"{len(result['prompt_tokens'])} + {len(result['tokens'])}"),
        ("cycles: prefill", f"{result['prefill_cycles']:,}"),
        ("cycles: per generated token", f"{sum(decode) / len(decode):,.0f}" if decode else "–"),
        ("DRAM utilisation (decode)", share(result["dram_utilization"])),
        ("engine utilisation (decode)", share(result["engine_utilization"])),
        ("equal to the golden model", match),
        ("simulated cycles per second", "–" if rate is None else f"{rate:,.0f}"),
        *(_board_rows(result["board"]) if "board" in result else ()),
        ("wall time", f"{result['wall_seconds']:.1f} s"),
    ):
        table.add_row(name, value)
    return table


def _board_rows(board: dict) -> list[tuple[str, str]]:
    rate = board["tokens_per_s"]
    return [
        ("tokens per second, measured", "–" if rate is None else f"{rate:,.2f}"),
        ("image: bytes, of which sent", f"{board['image_bytes']:,}, {board['upload_bytes']:,}"),
        ("upload, measured", f"{board['upload_seconds']:.1f} s"),
    ]
