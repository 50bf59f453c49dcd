"""One conversation with a model on a chip: the interface between command line and back ends."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from dojang_hdl.config import ChipConfig

from .checkpoints import Checkpoint
from .errors import DojangError
from .sampling import best_candidates

__all__ = ["Memory", "Session", "SessionError", "Step", "Waves", "open_session"]


class Memory(StrEnum):
    """Behind the memory ports of the simulated chip: guarded LPDDR4 channels, or a word every cycle."""

    LPDDR4 = "lpddr4"
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
    """

    context: int

    @abstractmethod
    def prefill(self, tokens: Sequence[int]) -> list[Step]:
        """Process `tokens` at the next positions, several per pass over the weights; one `Step` per token."""

    @abstractmethod
    def decode(self, token: int) -> Step:
        """Process one token at the next position."""

    @abstractmethod
    def summary(self) -> dict:
        """``dram_utilization``, ``engine_utilization`` (of decode) and ``simulated_hz``, each a float or None.

        ``memory_commands``, ``memory_guard``: per channel, `MEMORY_COUNTERS` and `GUARD_COUNTERS` of the decode passes
        by name.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the simulator; further calls are errors. May be called twice."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class GoldenSession(Session):
    """The numpy golden model: no cycles, no counters."""

    def __init__(self, checkpoint: Checkpoint, context: int):
        from dojang_sim.golden.llama import Llama

        self.context = context
        self._position = 0
        self._model = Llama(checkpoint, context)

    def prefill(self, tokens: Sequence[int]) -> list[Step]:
        logits = self._model.forward(list(tokens), self._position)
        self._position += len(tokens)
        return [Step(best_candidates(row), row) for row in logits]

    def decode(self, token: int) -> Step:
        return self.prefill([token])[0]

    def summary(self) -> dict:
        return {"dram_utilization": None, "engine_utilization": None, "simulated_hz": None, "memory_commands": [],
                "memory_guard": []}

    def close(self) -> None:
        pass


def open_session(checkpoint: Checkpoint, config: ChipConfig, backend: str = "rtl", waves: Waves | None = None,
                 compare_golden: bool = False, context: int | None = None, memory: Memory = Memory.LPDDR4,
                 progress: Callable[[str], None] = lambda _: None) -> Session:
    """Load `checkpoint` on a chip.

    Parameters
    ----------
    backend: ``"rtl"`` (Verilated chip) or ``"golden"`` (numpy).
    waves: waveform to write, ``rtl`` only.
    compare_golden: run the golden model alongside and compare the logits of every position.
    context: positions to reserve; the model's own context if None.
    memory: of the simulated chip.
    progress: is told what begins, before every part that can take seconds.

    Raises
    ------
    DojangError: a subclass, for a model that does not fit or a back end that cannot run here.
    """
    context = min(context or checkpoint.shape.context, checkpoint.shape.context)
    if backend == "golden":
        progress("preparing the golden model")
        return GoldenSession(checkpoint, context)
    if backend == "rtl":
        from .device_session import open_simulated

        return open_simulated(checkpoint, config, context, memory, waves, compare_golden, progress)
    raise SessionError(f"unknown back end {backend!r}, expected rtl or golden")
