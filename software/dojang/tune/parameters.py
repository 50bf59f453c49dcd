"""What is trained of a model, and the scale set that comes of it; numpy only."""

from dataclasses import dataclass

import numpy as np

from ..checkpoints import Checkpoint, Matrix, ScaleSet
from ..checkpoints.tensor_types import FLOAT_TYPES

__all__ = ["GAIN", "SCALE", "Parameters", "Part"]

SCALE, GAIN = "scale", "gain"
LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True, eq=False)
class Part:
    """A tensor's share of the parameters of its kind.

    Parameters
    ----------
    kind: `SCALE` or `GAIN`.
    span: where its logarithms are.
    stored: as the model has it: float16 scales, float32 gains.
    """

    kind: str
    span: slice
    stored: np.ndarray


class Parameters:
    """Scales of the layers' matrices and all gains, each as the logarithm of its factor over the stored value.

    So a value keeps its sign, in which that of a rotation is folded, and a rate means the same for all of them.
    Matrices that the file has as floats, biases, embedding and head are not trained.

    Attributes
    ----------
    parts: by tensor name.
    counts: numbers of each kind.
    """

    def __init__(self, checkpoint: Checkpoint):
        self.parts: dict[str, Part] = {}
        self.counts = {SCALE: 0, GAIN: 0}
        for layer in range(checkpoint.shape.layers):
            for gain in checkpoint.shape.vectors():
                if gain.endswith(".weight"):
                    self._add(f"blk.{layer}.{gain}", checkpoint.vector(f"blk.{layer}.{gain}"))
            for kind in checkpoint.shape.matrices():
                name = f"blk.{layer}.{kind}.weight"
                if checkpoint.types[name] not in FLOAT_TYPES:
                    self._add(name, checkpoint.tensor(name))
        self._add("output_norm.weight", checkpoint.vector("output_norm.weight"))
        self.codes_sha256 = checkpoint.codes_sha256

    def _add(self, name: str, tensor: Matrix | np.ndarray | None) -> None:
        assert tensor is not None
        kind, stored = (SCALE, tensor.scale) if isinstance(tensor, Matrix) else (GAIN, tensor)
        start = self.counts[kind]
        self.counts[kind] += stored.size
        self.parts[name] = Part(kind, slice(start, self.counts[kind]), stored)

    def scale_set(self, name: str, logs: dict[str, np.ndarray]) -> ScaleSet:
        """The set of that name; ``logs``: the parameters of each kind. Scales are rounded to FP16."""
        values = {}
        for tensor, part in self.parts.items():
            factor = np.exp(logs[part.kind][part.span].astype(np.float64)).reshape(part.stored.shape)
            found = part.stored.astype(np.float64) * factor
            if part.kind == SCALE:
                found = np.clip(found, -LARGEST, LARGEST)
            values[tensor] = found.astype(part.stored.dtype)
        return ScaleSet(name, values, self.codes_sha256)
