"""Float weights of a layer, and which of its matrices share an input."""

from dataclasses import dataclass

import numpy as np

from ..checkpoints import Checkpoint, LayerKind, ModelShape

__all__ = ["LayerWeights", "inputs"]

READERS = {"attn_in": ("attn_q", "attn_k", "attn_v"), "o_in": ("attn_output",), "ffn_in": ("ffn_gate", "ffn_up"),
           "down_in": ("ffn_down",)}


def inputs(shape: ModelShape) -> dict[str, tuple[str, ...]]:
    """The distinct inputs of a layer's matrices in order of use, and the matrices that read each."""
    matrices = shape.matrices()
    return {kind: tuple(name for name in names if name in matrices) for kind, names in READERS.items()}


@dataclass
class LayerWeights:
    """Float weights of one layer.

    Parameters
    ----------
    kind: of the layer.
    matrices: float32 [rows, columns] by name.
    vectors: gains and biases by name, as `ModelShape.vectors` has them.
    """

    kind: LayerKind
    matrices: dict[str, np.ndarray]
    vectors: dict[str, np.ndarray]

    @classmethod
    def of(cls, checkpoint: Checkpoint, layer: int) -> "LayerWeights":
        """Those of a checkpoint, which does not keep them."""
        shape = checkpoint.shape
        matrices = {name: checkpoint.floats(f"blk.{layer}.{name}.weight") for name in shape.matrices()}
        vectors = {name: checkpoint.load_vector(f"blk.{layer}.{name}") for name in shape.vectors()}
        return cls(shape.kind(layer), matrices, vectors)
