"""Runs passes on the profiled chip."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dojang_hdl.config import ChipConfig
from dojang_sim.chip.memories import MEMORIES

from ..checkpoints import Checkpoint
from ..sessions import Memory
from ..sessions.simulated import open_simulated
from .errors import ProfileError
from .passes import Pass, read_passes

__all__ = ["Run", "run_profiled"]

TOKEN = 1
"""Whichever: what a pass costs does not depend on it."""


class Run(NamedTuple):
    """Some passes; ``simulated_hz``: cycles a second of the profiled simulation."""

    passes: list[Pass]
    simulated_hz: float


def run_profiled(checkpoint: Checkpoint, config: ChipConfig, memory: Memory, position: int, prefill: int, tokens: int,
                 context: int, progress: Callable[[str], None]) -> Run:
    """``prefill`` tokens, several a pass, then ``tokens`` one by one, from ``position`` on.

    Raises
    ------
    ProfileError: there are none, they do not fit the context, the memory has several ports, or the chip's own counters
        do not agree with its record.
    """
    end = position + prefill + tokens
    if position == end:
        raise ProfileError("no token was asked for, expected at least one to prefill or to decode")
    if end > context:
        raise ProfileError(f"position {end - 1} was asked for, expected {context - 1} at most")
    if MEMORIES[memory].ports > 1:
        raise ProfileError(f"{memory} was asked for, which has {MEMORIES[memory].ports} ports, expected a memory with "
                           "one")
    asked, counted = [], []
    with tempfile.TemporaryDirectory(prefix="dojang-") as folder:
        events = Path(folder) / "events"
        with open_simulated(checkpoint, config, context, memory, progress=progress, events=events,
                            logits=False) as session:
            image = session.image
            session.jump(position)
            while position < end:
                count = min(max(end - tokens - position, 1), image.contexts)
                progress(f"simulating position {position} of {end - 1}")
                session.prefill([TOKEN] * count)
                asked.append(session.told)
                counted.append(session.edge_counters)
                position += count
            speed = session.summary()["simulated_hz"]
        progress("reading the record")
        passes = list(read_passes(events, image, MEMORIES[memory].guarded, asked))
    for found, counters in zip(passes, counted, strict=True):
        _check(found, counters)
    return Run(passes, speed)


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
