"""Runs passes on the profiled chip."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dojang_hdl.config import ChipConfig
from dojang_sim.chip.memories import MEMORIES

from ..checkpoints import Checkpoint
from ..sessions import Memory, whole_tiles
from ..sessions.device import DeviceSession
from ..sessions.simulated import open_simulated
from .errors import ProfileError
from .passes import Pass, read_passes

__all__ = ["Run", "run_profiled"]

TOKEN = 1
"""Whichever: what a pass costs does not depend on it."""


class Run(NamedTuple):
    """Some passes, the first ``prompts`` of which read a prompt; in each of the others ``sequences`` decode.

    ``simulated_hz``: cycles a second of the profiled simulation.
    """

    passes: list[Pass]
    simulated_hz: float
    prompts: int = 0
    sequences: int = 1

    @property
    def cycles_per_token(self) -> float | None:
        """While decoding; None if nothing was decoded."""
        decoded = [found.cycles for found in self.passes[self.prompts:]]
        return sum(decoded) / len(decoded) / self.sequences if decoded else None


def run_profiled(checkpoint: Checkpoint, config: ChipConfig, memory: Memory, position: int, prefill: int, tokens: int,
                 sequences: int, context: int, progress: Callable[[str], None]) -> Run:
    """``prefill`` tokens of one sequence, several a pass, then ``tokens`` of each of ``sequences``, one a pass, from
    ``position`` on; the first sequence goes on where the prompt ends.

    Raises
    ------
    ProfileError: there are none, they do not fit the context, a pass takes fewer sequences, the memory has several
        ports, or the chip's own counters do not agree with its record.
    """
    end = position + prefill + tokens
    if position == end:
        raise ProfileError("no token was asked for, expected at least one to prefill or to decode")
    if end > context:
        raise ProfileError(f"position {end - 1} was asked for, expected {context - 1} at most")
    if MEMORIES[memory].ports > 1:
        raise ProfileError(f"{memory} was asked for, which has {MEMORIES[memory].ports} ports, expected a memory with "
                           "one")
    if sequences > config.contexts:
        raise ProfileError(f"{sequences} sequences were asked for, expected {config.contexts} at most, the contexts of "
                           f"{config.name}")
    asked, counted = [], []

    def take(session: DeviceSession, work: dict[int, int]) -> None:
        """A pass with so many tokens of each sequence."""
        progress(f"simulating position {session.length(next(iter(work)))} of {end - 1}")
        session.step({sequence: [TOKEN] * count for sequence, count in work.items()})
        asked.append(session.told)
        counted.append(session.edge_counters)

    with tempfile.TemporaryDirectory(prefix="dojang-") as folder:
        events = Path(folder) / "events"
        with open_simulated(checkpoint, config, context, memory, progress=progress, events=events,
                            logits=False, rows=max(whole_tiles(context), sequences * whole_tiles(end))) as session:
            numbers = [session.add(end) for _ in range(sequences)]
            for number in numbers:
                session.jump(position, number)
            for at in range(0, prefill, session.contexts):
                take(session, {numbers[0]: min(session.contexts, prefill - at)})
            for _ in range(tokens):
                take(session, dict.fromkeys(numbers, 1))
            speed = session.summary()["simulated_hz"]
        progress("reading the record")
        passes = list(read_passes(events, session.image, MEMORIES[memory].guarded, asked))
    for found, counters in zip(passes, counted, strict=True):
        _check(found, counters)
    return Run(passes, speed, len(passes) - tokens, sequences)


def _check(found: Pass, counters: list[dict[str, int]]) -> None:
    """The chip's counters against the record."""
    for channel, counter in zip(found.channels, counters, strict=True):
        busy = channel.cycles()["busy"]
        record = {"cycles": found.cycles, "busy": busy, "stalled": channel.stalled,
                  "idle": found.cycles - busy - channel.stalled,
                  "useful_read": sum(channel.words.values()) - channel.words["write"],
                  "useful_written": channel.words["write"]}
        if record != counter:
            raise ProfileError(f"channel {channel.channel} counted {counter} at position {found.position}, its record "
                               f"has {record}")
