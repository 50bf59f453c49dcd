"""A session with the golden model."""

from collections.abc import Sequence
from typing import Any

from ..checkpoints import Checkpoint, ScaleSet
from ..sampling import best_candidates
from .session import Session, Step

__all__ = ["GoldenSession"]


class GoldenSession(Session):
    """The numpy golden model: no cycles, no counters."""

    def __init__(self, checkpoint: Checkpoint, context: int, sets: Sequence[ScaleSet] = ()):
        self.context, self.sets = context, 1 + len(sets)
        self._variants = [checkpoint, *map(checkpoint.with_set, sets)]
        for _ in checkpoint.matrices():  # decoded here: damage, and what there is to tell, comes before the first token
            pass
        self._model = self._open(checkpoint, context)

    def _open(self, checkpoint: Checkpoint, context: int) -> Any:
        """The model: a `GoldenModel`, or what has its interface."""
        from dojang_sim.golden.model import GoldenModel

        return GoldenModel(checkpoint, context)

    def prefill(self, tokens: Sequence[int]) -> list[Step]:
        logits = self._model.forward(list(tokens), self._position)
        self._position += len(tokens)
        return [Step(best_candidates(row), row) for row in logits]

    def decode(self, token: int) -> Step:
        return self.prefill([token])[0]

    def use_set(self, index: int) -> None:
        super().use_set(index)
        self._model.rescale(self._variants[index])

    def summary(self) -> dict:
        return {"dram_utilization": None, "engine_utilization": None, "simulated_hz": None, "memory_commands": [],
                "memory_guard": [], "saturated": dict(self._model.saturated)}

    def close(self) -> None:
        pass
