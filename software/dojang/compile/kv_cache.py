"""Where the K/V cache of a head lies."""

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from dojang_hdl.config import BLOCK, ELEMENTS

from ..checkpoints import ModelShape
from .regions import MemoryMap, Region

__all__ = ["KV_BITS", "TERMS", "CacheRegions", "HeadPlace", "KeyGroup", "ValueBlock", "allocate_cache"]

KV_BITS = 8
TERMS = 2
"""INT8 codes an element of K or V is stored as."""

VALUE_ROWS = 512
"""Rows of V in one product at most: few enough that eight STREAMs bring the tiles of the largest context."""


class HeadPlace(NamedTuple):
    """A KV head among those that are attended to at the same time: ``number`` of ``heads``, from 0 on."""

    number: int
    heads: int

    def channels(self, parts: int, channels: int) -> list[int]:
        """Of each of the head's ``parts``, alike in size: those of all the heads, in order, fill one channel after the
        other, so that all channels are read alike.
        """
        return [(self.number * parts + part) * channels // (self.heads * parts) for part in range(parts)]


class KeyGroup(NamedTuple):
    """A term of 32 elements of every key: planes from word ``planes`` of ``channel`` on, scales from ``scales`` on."""

    channel: int
    planes: int
    scales: int


class ValueBlock(NamedTuple):
    """``rows`` rows of V from row ``first`` on: tiles of 32 positions from word ``start`` of ``channel`` on."""

    first: int
    rows: int
    channel: int
    start: int

    @property
    def tile_words(self) -> int:
        return self.rows * KV_BITS // ELEMENTS


@dataclass(frozen=True)
class CacheRegions:
    """K/V cache of one layer and KV head; the scales of V are in the channel of the node that owns the head."""

    key_groups: list[KeyGroup]
    value_blocks: list[ValueBlock]
    value_scales: Region


def allocate_cache(name: str, channel: int, place: HeadPlace, shape: ModelShape, positions: int,
                   memory: MemoryMap) -> CacheRegions:
    """The cache of a head of ``positions`` positions, whole tiles of 32; ``channel``: of the node that owns it."""
    key_groups: list[KeyGroup] = []
    plane_words, scale_words = positions * KV_BITS // ELEMENTS, positions // 8
    for of, groups in groupby(place.channels(TERMS * shape.head_dim // BLOCK, memory.config.channels)):
        count = len(list(groups))
        planes = memory.allocate(f"{name}.keys", of, count * plane_words)
        scales = memory.allocate(f"{name}.key_scales", of, count * scale_words)
        key_groups += [KeyGroup(of, planes.start + group * plane_words, scales.start + group * scale_words)
                       for group in range(count)]
    value_blocks: list[ValueBlock] = []
    most = min(memory.config.acc_rows, VALUE_ROWS)
    for of, terms in groupby(place.channels(TERMS, memory.config.channels)):
        before, rows = sum(block.rows for block in value_blocks), len(list(terms)) * shape.value_dim
        start = memory.allocate(f"{name}.values", of, rows * plane_words // BLOCK).start
        value_blocks += [ValueBlock(before + first, min(most, rows - first), of, start + first * plane_words // BLOCK)
                         for first in range(0, rows, most)]
    # The next head's cache begins in another bank of the memory: both are written at the same time.
    memory.allocate(f"{name}.gap", value_blocks[-1].channel, memory.config.chunk)
    value_scales = memory.allocate(f"{name}.value_scales", channel, positions // ELEMENTS)
    return CacheRegions(key_groups, value_blocks, value_scales)
