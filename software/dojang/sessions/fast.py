"""A session with the golden model's compiled equal."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..checkpoints import Checkpoint, ScaleSet
from ..fast import PASS, FastModel
from .computed import ComputedSession
from .session import Part

__all__ = ["FastSession"]


class FastSession(ComputedSession):
    """What `GoldenSession` gives, bit for bit, several times as fast; the first one compiles C++."""

    def __init__(self, checkpoint: Checkpoint, context: int, sets: Sequence[ScaleSet] = (),
                 progress: Callable[[str], None] = lambda _: None, rows: int | None = None):
        self._progress = progress
        super().__init__(checkpoint, context, PASS, sets, rows)

    def _open(self, checkpoint: Checkpoint) -> Any:
        return FastModel(checkpoint, self.context, self._progress, self.rows)

    def _logits(self, parts: Sequence[Part]) -> list[np.ndarray]:
        return self._model.forward_parts([(part.start, part.position, part.tokens) for part in parts])
