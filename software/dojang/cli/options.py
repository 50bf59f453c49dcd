"""Options that several commands share, and what those of `dojang generate` and `dojang chat` mean together."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.config import PRESETS, ChipConfig, preset

from ..errors import DojangError
from ..sampling import Sampler
from ..sessions import BOARD_CONTEXT, Memory
from .model_argument import MODEL_HELP

__all__ = ["Backend", "Place", "UsageError", "sampler", "text_of"]

CONTEXT = 2048
"""Positions of the KV cache that are reserved if the prompt and the tokens asked for need no more; on a board
`BOARD_CONTEXT`."""

DEFAULT_CHIP = "sim-2x2"


class UsageError(DojangError):
    """Options that contradict each other."""


class Backend(StrEnum):
    RTL = "rtl"
    GOLDEN = "golden"
    FAST = "fast"


Model = Annotated[str, typer.Argument(help=MODEL_HELP)]
Tokens = Annotated[int, typer.Option(min=1, help="Most tokens to generate for an answer.")]
System = Annotated[str | None, typer.Option(metavar="TEXT", help="System message, before all others.")]
Raw = Annotated[bool, typer.Option("--raw", help="What looks like a special token in messages is one, not text.")]
Stop = Annotated[list[str] | None, typer.Option(
    metavar="TEXT", help="End before this text; several times for several.")]
Context = Annotated[int | None, typer.Option(
    metavar="POSITIONS", min=1, show_default=False, help="Positions to reserve, at most the model's; by default "
    f"{CONTEXT} ({BOARD_CONTEXT} on a board), or as many as are needed.")]
Chip = Annotated[str | None, typer.Option(
    metavar="PRESET", help=f"One of {', '.join(PRESETS)}; {DEFAULT_CHIP} if not given.")]
SimulatedChip = Annotated[str, typer.Option(metavar="PRESET", help=f"One of {', '.join(PRESETS)}.")]
MeasuredModel = Annotated[str, typer.Option(help=MODEL_HELP)]
Board = Annotated[str | None, typer.Option(
    metavar="PORT", help="Run on the board at this serial port, e.g. /dev/ttyUSB0.")]
Baud = Annotated[int | None, typer.Option(min=1, help="Of the board's link; the usual ones are tried.")]
Rtscts = Annotated[bool, typer.Option("--rtscts", help="Flow control on the board's link.")]
LinkTimeout = Annotated[float | None, typer.Option(
    metavar="SECONDS", min=0.01, help="Silence of a board after which it is asked again; for slow simulated ones.")]
BackendOption = Annotated[Backend | None, typer.Option(
    "--backend", show_default=False, help="Verilated RTL, the numpy golden model, or its compiled equal.")]
MemoryOption = Annotated[Memory, typer.Option("--memory", help="LPDDR4 with its controller, or a word every cycle.")]
Weights = Annotated[int, typer.Option(min=2, max=8, help="Bits of weights that are stored as floats.")]
Set = Annotated[str | None, typer.Option(
    "--set", metavar="FILE|NAME", help="Scales and gains of a scale set in place of the model's own.")]
Temperature = Annotated[float | None, typer.Option(help="0 is greedy; 1 if only --top-p is given.")]
TopP = Annotated[float | None, typer.Option("--top-p", help="Smallest share of probability sampled from.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Of the sampling.")]


@dataclass(frozen=True)
class Place:
    """Where a model runs: a back end, or the board at ``port``.

    Raises
    ------
    UsageError: options of a board without one, or of a simulated chip with a board.
    """

    backend: Backend
    chip: ChipConfig
    memory: Memory
    port: str | None = None
    baud: int | None = None
    rtscts: bool = False
    link_timeout: float | None = None
    compare_golden: bool = False
    waves: Path | None = None
    wave_cycles: int = 0

    @classmethod
    def of(cls, backend: Backend | None, default: Backend, chip: str | None, memory: Memory, board: str | None,
           baud: int | None, rtscts: bool, link_timeout: float | None, compare_golden: bool = False,
           waves: Path | None = None, wave_cycles: int = 0) -> "Place":
        if board is not None and (chip, waves, backend, memory) != (None, None, None, Memory.LPDDR4):
            raise UsageError("--board takes the chip as it is: without --chip, --backend, --memory and --waves")
        if board is None and (baud is not None or rtscts or link_timeout is not None or compare_golden):
            raise UsageError("--baud, --rtscts, --link-timeout and --compare-golden need --board")
        backend = backend or default
        if waves is not None and backend is not Backend.RTL:
            raise UsageError("--waves needs the rtl back end")
        return cls(backend, preset(chip or DEFAULT_CHIP), memory, board, baud, rtscts, link_timeout, compare_golden,
                   waves, wave_cycles)

    def context(self, wanted: int | None, needed: int, available: int) -> int:
        """Positions to reserve for a prompt and answer of ``needed`` in a model of ``available``."""
        if wanted is None:
            return min(available, max(CONTEXT if self.port is None else BOARD_CONTEXT, needed))
        if wanted > available:
            raise UsageError(f"--context {wanted} is more than the model's context of {available}")
        return wanted


def sampler(temperature: float | None, top_p: float | None, seed: int | None) -> Sampler:
    if temperature is None:
        temperature = 0.0 if top_p is None else 1.0
    try:
        return Sampler(temperature, 1.0 if top_p is None else top_p, seed)
    except ValueError as error:
        raise UsageError(str(error)) from None


def text_of(argument: str) -> str:
    """An argument as text: bytes that are not UTF-8 become U+FFFD."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
