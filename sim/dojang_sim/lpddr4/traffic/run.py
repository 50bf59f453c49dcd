"""Builds the traffic harness around a memory and runs patterns on it."""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib.wiring import Component
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.lpddr4.phy import BEAT_BITS
from dojang_hdl.lpddr4.timing import BANKS, BURST_BYTES, PAGE_BURSTS, Lpddr4Config

from ...executable import FLAGS, OPTIMIZE, build_executable
from ...netlist import to_verilog
from ...toolchain import cache_root
from ..channel import Lpddr4Channel
from ..device import phy_sources
from .patterns import Pattern
from .top import TrafficTop

__all__ = ["Poke", "PortResult", "Prepared", "TrafficError", "TrafficResult", "build_lpddr4_traffic", "build_traffic",
           "run_traffic"]

TOP = "traffic_top"
MAIN = Path(__file__).with_name("main.cpp")
HEADERS = sorted(MAIN.parent.glob("*.h"))
ROW_STRIDE = BANKS * PAGE_BURSTS * BURST_BYTES // WORD_BYTES
"""Words from a row of a bank to the next row of the same bank."""


class TrafficError(RuntimeError):
    """The memory did something wrong, or the simulation ended early; one sentence says what."""


@dataclass(frozen=True)
class PortResult:
    """What one port moved, from its first word in the window to its last."""

    cycles: int
    words_read: int
    words_written: int


@dataclass(frozen=True)
class TrafficResult:
    """A run in which every word was right, but for ``wrong_words`` if they were to be counted.

    The window is from the first to the last word moved between the command after the warm-up and the last command;
    ``commands``, ``cycles``, ``words_read``, ``words_written`` and ``counters`` (how far each of the memory's own
    counters went) are of the window. ``startup_cycles``: until the first word, one read before all
    else. ``all_cycles``, ``all_words_read`` and ``all_counters``: of the whole run. All but ``ports`` is of all ports
    together.
    """

    commands: int
    cycles: int
    words_read: int
    words_written: int
    startup_cycles: int
    all_cycles: int
    all_words_read: int
    counters: dict[str, int]
    wrong_words: int = 0
    all_counters: dict[str, int] = field(default_factory=dict)
    ports: list[PortResult] = field(default_factory=list)

    def percent_of_peak(self, config: Lpddr4Config) -> float:
        """Words moved in the window, in per cent of what the pins of a channel can move in its cycles."""
        peak_bits = 2 * config.ratio * BEAT_BITS
        return 100 * (self.words_read + self.words_written) * 8 * WORD_BYTES / (self.cycles * peak_bits)


def build_traffic(memory: Component, sources: Iterable[Path] = (), *, on_build: Callable[[], None] = lambda: None,
                  ) -> Path:
    """The harness around ``memory``, a component with ``port: In(MemoryPort())`` or an array; cached by content.

    ``sources``: Verilog, C++ and headers that its instances need. Counters: see `TrafficTop`.
    Raises `ToolchainError` when Verilator or the compiler fails.
    """
    top, sources = TrafficTop(memory), tuple(sources)
    texts = {f"{TOP}.v": to_verilog(top, TOP, flatten=True),
             "counters.inc": "".join(f"COUNTER({name})\n" for name in top.counters),
             "ports.inc": "".join(f"PORT({port})\n" for port in range(top.ports))}
    digest = hashlib.sha256(repr((texts, FLAGS, OPTIMIZE)).encode())
    for source in (MAIN, *HEADERS, *sources):
        digest.update(source.read_bytes())
    compiled = [source for source in sources if source.suffix in (".v", ".sv", ".cpp")]
    return build_executable(cache_root() / "traffic" / digest.hexdigest()[:16], TOP, lambda: texts, (*compiled, MAIN),
                            title="the traffic bench", on_build=on_build)


def build_lpddr4_traffic(config: Lpddr4Config, tile: int | None = None, *,
                         on_build: Callable[[], None] = lambda: None) -> Path:
    """The harness around `Lpddr4Channel`, its number 0, guarded if it has tiles of ``tile`` words. See `build_traffic`.
    """
    return build_traffic(Lpddr4Channel(config, 0, tile), phy_sources(), on_build=on_build)


@dataclass(frozen=True)
class Prepared:
    """A memory that holds something at first; files that the run changes.

    Parameters
    ----------
    image: the words of the memory.
    contents: the words of the port's address space; after the run, what they should be.
    """

    image: Path
    contents: Path


@dataclass(frozen=True)
class Poke:
    """Before the command of number ``before`` (from 0, the one before all else; then also after a reset) ``word`` is
    written to ``address``, which is not part of the contents.
    """

    before: int
    address: int
    word: int


def run_traffic(executable: Path, pattern: Pattern | Sequence[Pattern], *, words: int, commands: int, warmup: int = 0,
                seed: int = 1, stall: float = 0.0, channel: int = 0, prepared: Prepared | None = None,
                pokes: Iterable[Poke] = (), reset: int = 0, quiet: int = 4096, count_wrong: bool = False,
                environment: Mapping[str, str] | None = None, plusargs: Iterable[str] = (),
                timeout_s: float = 600) -> TrafficResult:
    """Run ``warmup`` and then ``commands`` commands of ``pattern`` on a memory of ``words`` words; same seed, same run.

    Of several ports each has its own pattern, all at the same time, and ``words`` words. The memory's image is named by
    ``DOJANG_MEMORY_<channel>``, a second port's by the next number: that of ``prepared`` (of one port), or files made
    for the run, which take disk space only where they are used and are compared at the end. ``stall``: chance that a
    stream stands still in a cycle (random phases choose their own). ``reset``: memory and all before it are reset so
    many cycles after the first word; then clusters may hold what they have held at any time. ``count_wrong``: wrong
    words do not end the run. ``environment`` and ``plusargs`` reach the model. The run ends when the memory is not busy
    any more and nothing has moved for ``quiet`` cycles.

    Raises `TrafficError` if a word is wrong, lost or one too many, nothing moves any more, the model stops the
    simulation or the time is up.
    """
    patterns = [pattern] if isinstance(pattern, Pattern) else pattern
    description = " and ".join(dict.fromkeys(each.description for each in patterns))
    with tempfile.TemporaryDirectory() as folder:
        images, result = [Path(folder, f"image{port}") for port in range(len(patterns))], Path(folder, "result.json")
        command = [str(executable), "--words", str(words), "--row", str(ROW_STRIDE), "--channel", str(channel),
                   "--commands", str(commands), "--warmup", str(warmup),
                   "--stall", str(round(256 * stall)), "--reset", str(reset), "--quiet", str(quiet),
                   "--tolerate", str(int(count_wrong)), "--result", str(result),
                   *(part for poke in pokes for part in ("--poke", f"{poke.before},{poke.address},{poke.word:032x}")),
                   *(f"+{argument}" for argument in plusargs)]
        if prepared:
            images = [prepared.image]
            command += ["--contents", str(prepared.contents)]
        else:
            for image in images:
                image.touch()
                os.truncate(image, words * WORD_BYTES)
        for port, each in enumerate(patterns):
            command += ["--port", str(port), "--seed", str(seed + port), *each.arguments]
        variables = {**os.environ, **(environment or {}),
                     **{f"DOJANG_MEMORY_{channel + port}": str(image) for port, image in enumerate(images)}}
        try:
            process = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise TrafficError(f"{description}: not finished after {timeout_s:g} s") from None
        if process.returncode:
            raise TrafficError(f"{description}: {_reason(process)}")
        figures = json.loads(result.read_text())
        return TrafficResult(**{**figures, "ports": [PortResult(**port) for port in figures["ports"]]})


def _reason(process: subprocess.CompletedProcess) -> str:
    """Why it ended: what the model said first if it did, the harness's sentence, Verilator's own line."""
    said = [line.strip() for line in process.stderr.splitlines() if line.strip() and not line.startswith("%")]
    fatal = [line.strip() for line in process.stdout.splitlines() if "%Fatal" in line]
    if said:
        return said[0] if fatal else said[-1]
    return next(iter(fatal), f"ended with status {process.returncode} and no message")
