"""Second moments of what a model's matrices read, over windows of text: what GPTQ and pruning weigh errors with."""

import threading
from collections.abc import Iterator

import numpy as np

from ..checkpoints import Checkpoint
from .forward import Forward
from .weights import LayerWeights, inputs

__all__ = ["Moments", "hessians"]

Moments = dict[str, np.ndarray]
"""XᵀX of a layer's inputs."""


def hessians(checkpoint: Checkpoint, windows: np.ndarray, workers: int = 1, skip: int = 0
             ) -> Iterator[tuple[int, LayerWeights, Moments]]:
    """For each layer in order: its index, float weights, and XᵀX float32 [columns, columns] of each of its `inputs`.

    All are of the model as it is (one-shot): nothing that the caller does to a layer reaches the next. ``skip``: layers
    at the beginning that give no moments (an empty dict) because their matrices are done.
    """
    forward = Forward(checkpoint, windows, workers)
    for index in range(checkpoint.shape.layers):
        weights = LayerWeights.of(checkpoint, index)
        moments: Moments = {}
        lock = threading.Lock()

        def tap(kind, x, moments=moments, lock=lock):
            product = x.T @ x
            with lock:
                if kind in moments:
                    moments[kind] += product
                else:
                    moments[kind] = product

        forward.layer(weights, tap if index >= skip else None)
        yield index, weights, {kind: moments[kind] for kind in inputs(checkpoint.shape) if kind in moments}
