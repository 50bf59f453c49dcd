"""A session with the golden model's compiled equal."""

from collections.abc import Callable, Sequence
from typing import Any

from ..checkpoints import Checkpoint, ScaleSet
from .golden import GoldenSession

__all__ = ["FastSession"]


class FastSession(GoldenSession):
    """What `GoldenSession` gives, bit for bit, several times as fast; the first one compiles C++."""

    def __init__(self, checkpoint: Checkpoint, context: int, sets: Sequence[ScaleSet] = (),
                 progress: Callable[[str], None] = lambda _: None):
        self._progress = progress
        super().__init__(checkpoint, context, sets)

    def _open(self, checkpoint: Checkpoint, context: int) -> Any:
        from ..fast import FastModel

        return FastModel(checkpoint, context, self._progress)
