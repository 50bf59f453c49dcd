"""Tries faults and says what came of them."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from random import Random

from dojang_sim.lpddr4.traffic import TrafficError, TrafficResult, run_traffic

from .kinds import Fault, Kind, Promise
from .memory import GuardedImage

__all__ = ["Outcome", "Trial", "campaign", "try_fault"]

TIME_LIMIT = 120
"""Seconds; a trial takes less than one."""


class Outcome(StrEnum):
    """What came of a fault."""

    NOTHING = "nothing"         # nothing was wrong, and nothing noticed
    PUT_RIGHT = "put right"     # corrected or read again
    ERROR = "error"
    SILENT = "silent"           # a wrong word, or wrong contents in the end, without an error
    STOPPED = "stopped"         # the channel hung, or delivered words that nobody asked for


@dataclass(frozen=True)
class Trial:
    """A fault and its outcome. ``result`` is None if it was stopped; ``reason`` says why."""

    kind: Kind
    number: int
    fault: Fault
    outcome: Outcome
    result: TrafficResult | None
    reason: str = ""

    @property
    def kept(self) -> bool:
        """Whether the guard did what it promises."""
        good = {Promise.RIGHT: {Outcome.NOTHING, Outcome.PUT_RIGHT}, Promise.ERROR: {Outcome.ERROR},
                Promise.NOTICED: {Outcome.NOTHING, Outcome.PUT_RIGHT, Outcome.ERROR}}
        return self.outcome in good[self.kind.promise]


def campaign(executable: Path, memory: GuardedImage, kinds: Iterable[Kind], count: int) -> Iterator[Trial]:
    """``count`` faults of each kind, the same ones each time."""
    for kind in kinds:
        for number in range(count):
            random = Random(f"{kind.description} {number}")
            yield try_fault(executable, memory, kind, number, kind.make(random, memory), random.randrange(1 << 31))


def try_fault(executable: Path, memory: GuardedImage, kind: Kind, number: int, fault: Fault, seed: int) -> Trial:
    """Random traffic on a channel (`build_lpddr4_traffic` with ``memory.tile``) with the fault, then a round of the
    patrol. No wrong word ends it.
    """
    with tempfile.TemporaryDirectory() as folder:
        prepared = memory.prepare(Path(folder), seed, fault.flips, fault.copies)
        try:
            result = run_traffic(
                executable, memory.pattern, words=memory.end, commands=fault.commands, seed=seed, prepared=prepared,
                pokes=(memory.control, *fault.pokes), reset=fault.reset, quiet=memory.round,
                count_wrong=True, environment={"DOJANG_LPDDR4_0": fault.options}, timeout_s=TIME_LIMIT)
        except TrafficError as error:
            return Trial(kind, number, fault, Outcome.STOPPED, None, str(error))
        counters = result.all_counters
        outcome = Outcome.NOTHING
        if counters["errors"]:
            outcome = Outcome.ERROR
        elif result.wrong_words or not memory.is_right(prepared, exactly=False):
            outcome = Outcome.SILENT
        elif counters["corrected"] or counters["tiles_reread"] or counters["clusters_reread"]:
            outcome = Outcome.PUT_RIGHT
        return Trial(kind, number, fault, outcome, result)
