"""How well a model predicts text: perplexity, and how far its predictions are from another model's."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .checkpoints import Checkpoint

__all__ = ["Evaluation", "GoldenModel", "Numerics", "bytes_per_token", "bits_per_weight", "evaluate", "float_model"]

Model = Callable[[np.ndarray], np.ndarray]
"""Function of the ids of a window to its logits, float32 [length, vocab]."""


@dataclass(frozen=True)
class Evaluation:
    """Means over all positions of all windows; the first token of a window is given.

    Parameters
    ----------
    tokens: predicted.
    perplexity: of the text.
    kl: divergence of the predictions from the other model's, nats, or None without one.
    top1: share of positions whose most probable token is the other model's, or None.
    other_perplexity: of the other model, or None.
    """

    tokens: int
    perplexity: float
    kl: float | None = None
    top1: float | None = None
    other_perplexity: float | None = None


def evaluate(model: Model, windows: Iterable[np.ndarray], other: Model | None = None,
             progress: Callable[[int], None] = lambda done: None) -> Evaluation:
    """Run every window through the model, and through the other one; ``progress`` gets the windows done."""
    nll, other_nll, divergence, agreed, tokens = 0.0, 0.0, 0.0, 0, 0
    for done, ids in enumerate(windows, 1):
        expected, targets = np.arange(len(ids) - 1), ids[1:]
        p = _log_softmax(model(ids)[:-1])
        nll -= float(p[expected, targets].sum(dtype=np.float64))
        tokens += len(targets)
        if other is not None:
            reference = _log_softmax(other(ids)[:-1])
            other_nll -= float(reference[expected, targets].sum(dtype=np.float64))
            agreed += int((p.argmax(axis=1) == reference.argmax(axis=1)).sum())
            divergence += float((np.exp(reference) * (reference - p)).sum(dtype=np.float64))
        progress(done)
    result = Evaluation(tokens, float(np.exp(nll / tokens)))
    if other is None:
        return result
    return Evaluation(tokens, result.perplexity, divergence / tokens, agreed / tokens,
                      float(np.exp(other_nll / tokens)))


class GoldenModel:
    """A `Model` with the chip's numerics, bit for bit; windows of up to ``length``."""

    def __init__(self, checkpoint: Checkpoint, length: int):
        from dojang_sim.golden.model import GoldenModel  # the models of the hardware are needed here only

        self._model = GoldenModel(checkpoint, length)

    def __call__(self, ids: np.ndarray) -> np.ndarray:
        return self._model.forward(ids, 0)

    @property
    def saturated(self) -> dict[str, int]:
        """How many values FP16 has clipped in all windows so far, as `Session.summary` has it."""
        return self._model.saturated


class FastModel(GoldenModel):
    """The same logits, compiled: several times as fast."""

    def __init__(self, checkpoint: Checkpoint, length: int):
        from .fast import FastModel

        self._model = FastModel(checkpoint, length)


def float_model(checkpoint: Checkpoint, workers: int = 1) -> Model:
    """Float32 throughout: several times as fast, and as near to the chip as its activations' 16 bits."""
    from .compress.forward import Forward
    from .compress.weights import LayerWeights

    layers = [LayerWeights.of(checkpoint, index) for index in range(checkpoint.shape.layers)]
    head = checkpoint.floats(checkpoint.shape.head_name)

    def run(ids):
        forward = Forward(checkpoint, ids[None], workers)
        for layer in layers:
            forward.layer(layer)
        return forward.logits(0, head)

    return run


class Numerics(StrEnum):
    """The chip's, bit for bit, by numpy or compiled; or float32."""

    GOLDEN = "golden"
    FAST = "fast"
    FLOAT = "float"

    def open(self, checkpoint: Checkpoint, length: int) -> Model:
        """The model for windows of up to ``length``."""
        if self is Numerics.FLOAT:
            return float_model(checkpoint)
        return (FastModel if self is Numerics.FAST else GoldenModel)(checkpoint, length)


def bits_per_weight(checkpoint: Checkpoint) -> float:
    """All-in: payload, masks, scales and offsets of every matrix that a token reads, the head among them."""
    weights = sum(matrix.rows * matrix.cols for _, matrix in checkpoint.matrices())
    return 8 * sum(matrix.stored_bytes for _, matrix in checkpoint.matrices()) / weights


def bytes_per_token(checkpoint: Checkpoint) -> int:
    """Bytes of weights that decoding a token reads: all matrices, gains and biases, a row of each table."""
    shape = checkpoint.shape
    vectors = sum(size[0] for size in shape.tensors().values() if len(size) == 1)
    rows = shape.d * (1 + shape.learned_positions)
    return sum(matrix.stored_bytes for _, matrix in checkpoint.matrices()) + 4 * (vectors + rows)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64."""
    logits = logits.astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
