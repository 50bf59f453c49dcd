"""Where the K/V cache of a head lies."""

from dataclasses import dataclass

from dojang_hdl.config import BLOCK, ELEMENTS

from ..checkpoints import ModelShape
from .regions import MemoryMap, Region

__all__ = ["KV_BITS", "TERMS", "CacheRegions", "ValueBlock", "allocate_cache"]

KV_BITS = 8
TERMS = 2
"""INT8 codes an element of K or V is stored as."""

VALUE_ROWS = 512
"""Rows of V in one product at most: few enough that eight STREAMs bring the tiles of the largest context."""


@dataclass(frozen=True)
class ValueBlock:
    """``rows`` rows of V from row ``first`` on: tiles of 32 positions from word ``start`` on."""

    first: int
    rows: int
    start: int

    @property
    def tile_words(self) -> int:
        return self.rows * KV_BITS // ELEMENTS


@dataclass(frozen=True)
class CacheRegions:
    """K/V cache of one layer and KV head, in the channel of the node that owns the head; values in the next channel, so
    that few heads, or an odd number of them, use all channels alike.
    """

    keys: Region
    key_scales: Region
    values: Region
    value_scales: Region
    value_blocks: list[ValueBlock]


def allocate_cache(name: str, channel: int, shape: ModelShape, positions: int, memory: MemoryMap) -> CacheRegions:
    """The cache of a head of ``positions`` positions, whole tiles of 32."""
    group_words = positions * KV_BITS // ELEMENTS
    terms, rows = TERMS * shape.head_dim // BLOCK, TERMS * shape.value_dim
    sizes = {"keys": terms * group_words, "key_scales": terms * positions // 8,
             "values": rows * group_words // BLOCK, "value_scales": positions // ELEMENTS}
    regions = {part: memory.allocate(f"{name}.{part}", (channel + (part == "values")) % memory.config.channels, words)
               for part, words in sizes.items()}
    # The next head's cache begins in another bank of the memory: both are written at the same time.
    memory.allocate(f"{name}.gap", regions["values"].channel, memory.config.chunk)
    start, most = regions["values"].start, min(memory.config.acc_rows, VALUE_ROWS)
    blocks = [ValueBlock(first, min(most, rows - first), start + first * group_words // BLOCK)
              for first in range(0, rows, most)]
    return CacheRegions(**regions, value_blocks=blocks)
