"""One conversation with a model on a chip: the interface between command line and back ends."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ..errors import DojangError

__all__ = ["Memory", "Session", "SessionError", "Step", "Waves"]


class Memory(StrEnum):
    """Behind the memory ports of the simulated chip: guarded LPDDR4 channels of 1600 Mb/s, or of 3200 with two ports
    each, or a word every cycle."""

    LPDDR4 = "lpddr4"
    LPDDR4_3200 = "lpddr4-3200"
    IDEAL = "ideal"


class SessionError(DojangError):
    """A session cannot be opened or has failed."""


@dataclass(frozen=True)
class Step:
    """What one position produced.

    Parameters
    ----------
    candidates: ids and values of the largest logits, or None where the back end was not asked for logits.
    logits: float32 [vocab], or None.
    cycles: clock cycles spent on the position (those of a pass over several positions are on its last).
    dram_bytes: bytes read and written by all memory channels in them.
    golden_match: the logits equal the golden model's bit for bit; None if not compared.
    """

    candidates: tuple[np.ndarray, np.ndarray] | None
    logits: np.ndarray | None = None
    cycles: int = 0
    dram_bytes: int = 0
    golden_match: bool | None = None


@dataclass(frozen=True)
class Waves:
    """A waveform to write: a VCD ``file`` with the first ``cycles`` cycles in which the chip runs."""

    file: Path
    cycles: int = 20_000


class Session(ABC):
    """A model loaded on a chip, with its KV cache; positions count up from 0.

    Attributes
    ----------
    context: positions the session can hold.
    sets: number of scale sets, the model's own one, which is in use at first, included.
    """

    context: int
    sets: int = 1
    _position: int = 0
    _set: int = 0

    @abstractmethod
    def prefill(self, tokens: Sequence[int]) -> list[Step]:
        """Process `tokens` at the next positions, several per pass over the weights; one `Step` per token."""

    @abstractmethod
    def decode(self, token: int) -> Step:
        """Process one token at the next position."""

    def rewind(self, position: int) -> None:
        """Go back: the next token is put at ``position``, and what was there and behind it is forgotten."""
        if not 0 <= position <= self._position:
            raise SessionError(f"position {position} was asked for, expected 0 to {self._position}")
        self._position = position

    def use_set(self, index: int) -> None:
        """Scales, gains, biases of what follows: 0 is the model's own, 1, 2, … are the sets that it was opened with.

        Nothing else changes: positions go on, and the cache keeps what earlier sets have put there.
        """
        if not 0 <= index < self.sets:
            raise SessionError(f"scale set {index} was asked for, expected 0 to {self.sets - 1}")
        self._set = index

    @abstractmethod
    def summary(self) -> dict:
        """``dram_utilization``, ``engine_utilization`` (of decode) and ``simulated_hz``, each a float or None.

        ``memory_commands``, ``memory_guard``: per channel, `MEMORY_COUNTERS` and `GUARD_COUNTERS` of the decode passes
        by name.

        ``saturated``: what left FP16's range so far, empty if nothing did; `saturation_message` tells it. Of the golden
        model, `GoldenModel.saturated`; of a chip, which has a flag only, `position_entry` of the first pass in which it
        was up, and the golden model's counts if that runs alongside.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the simulator; further calls are errors. May be called twice."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
