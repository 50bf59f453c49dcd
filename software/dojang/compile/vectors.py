"""Gains and biases: which a pass needs in which order, and where they lie in the channels' memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from dojang_hdl.config import ELEMENTS, ChipConfig

from ..checkpoints import Checkpoint, ModelShape
from .linear import Linear
from .regions import MemoryMap, Region
from .sram import vector_words

__all__ = ["Vector", "Vectors", "layer_vectors"]

OF_HEADS = ("attn_q_norm.weight", "attn_k_norm.weight")


@dataclass(frozen=True, eq=False)
class Vector:
    """Constants that a node LOADs at once: a gain or a bias, or all biases of a linear map.

    Parameters
    ----------
    name: of the tensor, without its layer; of biases that of the map.
    tensor: name of the tensor of a gain, or of a bias that all nodes have the same.
    words: that a node loads.
    linear: the map whose biases they are: each node has those of its rows.
    of_heads: only nodes that own KV heads need it.
    """

    name: str
    tensor: str
    words: int
    linear: Linear | None = None
    of_heads: bool = False


def layer_vectors(shape: ModelShape, layer: int, linears: Sequence[Linear]) -> list[Vector]:
    """In order of use. ``linears``: those of the layer."""
    vectors: list[Vector] = []
    for name, size in shape.vectors().items():
        tensor = f"blk.{layer}.{name}"
        linear = next((linear for linear in linears if tensor in linear.biases), None)
        if linear is None:
            vectors.append(Vector(name, tensor, vector_words(size), of_heads=name in OF_HEADS))
        elif all(vector.linear is not linear for vector in vectors):
            vectors.append(Vector(linear.name, "", linear.rows // ELEMENTS, linear))
    return vectors


class Vectors:
    """All of a model, in every channel: first those that all nodes have the same, then each node's biases.

    Parameters
    ----------
    vectors: in order of use. sets: scale sets, each with vectors of its own.

    Members
    -------
    words: of the largest that the first, and of the largest that the second of two buffers taking turns receives.
    """

    def __init__(self, vectors: Sequence[Vector], config: ChipConfig, memory: MemoryMap, sets: int):
        self._config, self._vectors = config, vectors
        # nodes without KV heads leave out pairs: their others take the same turns
        self.words = [max((vector.words for vector in vectors[turn::2]), default=0) for turn in range(2)]
        self._at: dict[Vector, int] = {}
        self._common = self._place(vector for vector in vectors if vector.linear is None)
        self._of_node = self._place(vector for vector in vectors if vector.linear is not None)
        words = self._common + config.width * self._of_node
        self._regions = [[memory.allocate(f"vectors.set{number}" if number else "vectors", channel, words)
                          for number in range(sets)] for channel in range(config.channels)]

    def _place(self, vectors: Iterator[Vector]) -> int:
        """Give them places one after the other from 0 on; the end of the last."""
        end = 0
        for vector in vectors:
            self._at[vector] = end
            end += vector.words
        return end

    def of_node(self, heads: bool) -> list[Vector]:
        """What a node needs in order of use; ``heads``: it owns KV heads."""
        return [vector for vector in self._vectors if heads or not vector.of_heads]

    def place(self, vector: Vector, node: int) -> tuple[int, list[Region]]:
        """Address of a node's vector in its channel, and the regions of all scale sets."""
        regions = self._regions[node // self._config.width]
        return regions[0].start + self._offset(vector, node % self._config.width), regions

    def _offset(self, vector: Vector, column: int) -> int:
        return self._at[vector] + (self._common + column * self._of_node if vector.linear else 0)

    def contents(self, variants: Sequence[Checkpoint]) -> Iterator[tuple[Region, np.ndarray]]:
        """(region, bytes); ``variants``: the model with each scale set."""
        width = self._config.width
        for number, checkpoint in enumerate(variants):
            for channel, regions in enumerate(self._regions):
                values = np.zeros(regions[number].words * ELEMENTS, "<f4")
                for vector in self._vectors:
                    if vector.linear is None:
                        parts = [checkpoint.vector(vector.tensor)]
                    else:
                        parts = vector.linear.bias(checkpoint.vector)[channel * width:][:width]
                    for column, part in enumerate(parts):
                        start = self._offset(vector, column) * ELEMENTS
                        values[start:start + len(part)] = part
                yield regions[number], values.view(np.uint8)
