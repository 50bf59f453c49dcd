"""Where the embedding rows lie: as FP32 rows of their own, or in the planes of the head. `entry` has the programs."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS, ChipConfig
from dojang_hdl.isa import ROW_BITS

from ..checkpoints import Checkpoint
from .layout import plane_words
from .linear import Linear
from .regions import MemoryMap, Region
from .sram import vector_words

__all__ = ["FloatRows", "HeadRows", "shares_head"]

PAIR = 2
"""Scales a memory word: an operand's element 0 and, swapped, element 1 can become a scalar."""


def shares_head(checkpoint: Checkpoint, config: ChipConfig) -> bool:
    """Whether the head's planes are the embedding, to the last bit, and programs can reach every row of them.

    A guard checks the few words of a row with the whole tile around them: row blocks must be whole tiles.
    """
    matrix = checkpoint.head
    return checkpoint.shape.tied and config.channels == 1 and (
        matrix.stored_exactly and matrix.bits == ROW_BITS and matrix.signed and matrix.offset is None) and (
        plane_words(config.acc_rows, matrix.groups, ROW_BITS) % config.chunk == 0)


class FloatRows:
    """FP32 rows, whose columns are spread over the channels.

    Members
    -------
    words: of a row, and of RX that a context needs. regions, columns: of each channel, as words of a row.
    """

    def __init__(self, checkpoint: Checkpoint, config: ChipConfig, memory: MemoryMap):
        self._checkpoint = checkpoint
        self.words = vector_words(checkpoint.shape.d)
        edges = [channel * self.words // config.channels for channel in range(config.channels + 1)]
        self.columns = list(pairwise(edges))
        self.regions = [memory.allocate("embedding", channel, checkpoint.shape.vocab * (last - first))
                        for channel, (first, last) in enumerate(self.columns)]

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        shape = self._checkpoint.shape
        rows = np.zeros((shape.vocab, self.words * ELEMENTS), "<f4")
        rows[:, :shape.d] = self._checkpoint.embedding[:]
        for region, (first, last) in zip(self.regions, self.columns, strict=True):
            yield region, np.ascontiguousarray(rows[:, first * ELEMENTS:last * ELEMENTS]).reshape(-1).view(np.uint8)


class HeadRows:
    """Rows of the head. Its scales, in an order that no LOAD can follow, lie once more beside it: FP32, two a word.

    Parameters
    ----------
    head: the allocated linear map, with whole row blocks (`step` words apart) on all nodes.

    Members
    -------
    words: of RX that a context needs: ``integer_words`` for its integers, behind them ``scale_words``.
    scales: the region of the scales. first, step: the planes of the first row block, and from one block to the next.
    """

    def __init__(self, head: Linear, memory: MemoryMap):
        self.matrix = head.matrix
        self.integer_words = self.matrix.groups * BLOCK // ELEMENTS
        self.scale_words = -(-self.matrix.groups // PAIR)
        self.words = self.integer_words + self.scale_words
        self.scales = memory.allocate("embedding", 0, self.matrix.rows * self.scale_words)
        self.first, self.step = head.plane_blocks()

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        rows, groups = self.matrix.scale.shape
        pairs = np.zeros((rows, self.scale_words * PAIR), "<f4")
        pairs[:, :groups] = self.matrix.scale
        words = np.zeros((rows, self.scale_words, ELEMENTS), "<f4")
        words[:, :, :PAIR] = pairs.reshape(rows, -1, PAIR)
        yield self.scales, words.reshape(-1).view(np.uint8)
