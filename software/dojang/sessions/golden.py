"""A session with the golden model."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checkpoints import Checkpoint, ScaleSet
from .computed import ComputedSession
from .session import Part

__all__ = ["GoldenSession"]

CONTEXTS = 64
"""Tokens of a pass: as many as the golden model takes at once in attention."""


class GoldenSession(ComputedSession):
    """The numpy golden model, which computes every sequence apart: what one gets cannot depend on the others."""

    def __init__(self, checkpoint: Checkpoint, context: int, sets: Sequence[ScaleSet] = (), rows: int | None = None):
        self._caches = {}
        super().__init__(checkpoint, context, CONTEXTS, sets, rows)

    def _open(self, checkpoint: Checkpoint) -> Any:
        from dojang_sim.golden.model import GoldenModel

        return GoldenModel(checkpoint, self.context)

    def _added(self, sequence: int, start: int, positions: int) -> None:
        self._caches[sequence] = self._model.new_cache(positions)

    def _removed(self, sequence: int) -> None:
        del self._caches[sequence]

    def _logits(self, parts: Sequence[Part]) -> list[np.ndarray]:
        return [self._model.forward(part.tokens, part.position, cache=self._caches[part.sequence]) for part in parts]
