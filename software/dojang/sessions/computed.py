"""What the sessions share whose model is computed here."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checkpoints import Checkpoint, ScaleSet
from ..sampling import best_candidates
from .session import Part, Session, Step

__all__ = ["ComputedSession"]


class ComputedSession(Session):
    """A session without a chip: no cycles, no counters.

    Parameters
    ----------
    checkpoint, context, contexts, rows: as `Session`'s.
    sets: scale sets 1, 2, … of `use_set`.
    """

    def __init__(self, checkpoint: Checkpoint, context: int, contexts: int, sets: Sequence[ScaleSet],
                 rows: int | None):
        super().__init__(context, contexts, rows, 1 + len(sets))
        self._variants = [checkpoint, *map(checkpoint.with_set, sets)]
        for _ in checkpoint.matrices():  # decoded here: damage, and what there is to tell, comes before the first token
            pass
        self._model = self._open(checkpoint)

    @abstractmethod
    def _open(self, checkpoint: Checkpoint) -> Any:
        """The model; it has `rescale` and `saturated` as a `GoldenModel`."""

    @abstractmethod
    def _logits(self, parts: Sequence[Part]) -> list[np.ndarray]:
        """Float32 [tokens, vocab] of each part."""

    def _pass(self, parts: Sequence[Part]) -> list[list[Step]]:
        return [[*(Step(None, row) for row in rows[:-1]), Step(best_candidates(rows[-1]), rows[-1])]
                for rows in self._logits(parts)]

    def use_set(self, index: int) -> None:
        super().use_set(index)
        self._model.rescale(self._variants[index])

    def summary(self) -> dict:
        return {"dram_utilization": None, "engine_utilization": None, "simulated_hz": None, "memory_commands": [],
                "memory_guard": [], "saturated": dict(self._model.saturated)}

    def close(self) -> None:
        pass
