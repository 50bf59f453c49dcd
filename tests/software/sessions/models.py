"""Small models, and what a sequence gets alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from dojang.checkpoints import LayerKind, ModelShape, Rotation
from dojang_sim.golden.model import GoldenModel

PLAIN = ModelShape(1, 32, 4, 2, 32, 32, 64, 100)
KINDS = (LayerKind(None, 5), LayerKind(Rotation(base=100.0), 33))
MODELS = {
    "plain": PLAIN,
    "windows": replace(PLAIN, layers=2, kinds=KINDS, pattern=(0, 1)),
    "learned positions": replace(PLAIN, kinds=(LayerKind(None),), learned_positions=True),
}


class Alone:
    """A golden model whose cache nothing but the tokens asked for has been in."""

    def __init__(self, checkpoint):
        self._model = GoldenModel(checkpoint, checkpoint.shape.context)

    def __call__(self, tokens: Sequence[int]) -> np.ndarray:
        return self._model.forward(tokens, 0, cache=self._model.new_cache())
