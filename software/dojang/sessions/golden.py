"""A session with the golden model."""

from collections.abc import Sequence

from ..checkpoints import Checkpoint
from ..sampling import best_candidates
from .session import Session, Step

__all__ = ["GoldenSession"]


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
