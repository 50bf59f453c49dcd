"""Which layers suffer most from few bits."""

import numpy as np

from ..checkpoints import Checkpoint
from .forward import Forward
from .weights import LayerWeights

__all__ = ["sensitive_layers"]

SHARE = 15
"""One layer of so many."""
WINDOWS = 4


def sensitive_layers(checkpoint: Checkpoint, windows: np.ndarray, workers: int = 1) -> tuple[int, ...]:
    """Layers that write the largest numbers into the residual stream.

    Such a layer makes or removes the few huge elements by which later layers know the beginning of a text; an error in
    it is as huge, and goes through all layers that follow.
    """
    forward, largest = Forward(checkpoint, windows[:WINDOWS], workers), []
    for index in range(checkpoint.shape.layers):
        before = forward.x.copy()
        forward.layer(LayerWeights.of(checkpoint, index))
        largest.append(float(np.abs(forward.x - before).max()))
    count = max(1, round(len(largest) / SHARE))
    return tuple(sorted(sorted(range(len(largest)), key=lambda index: (-largest[index], index))[:count]))
