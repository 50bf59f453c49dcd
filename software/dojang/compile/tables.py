"""Tables with a row for every position, of which a pass loads those of its tokens: rotary embeddings and masks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from dojang_hdl.config import ELEMENTS

from ..checkpoints import ModelShape, Rotation
from .regions import MemoryMap, Region
from .span import Span, mask_table

__all__ = ["PositionTable", "allocate_masks", "allocate_rotary"]


@dataclass(frozen=True, eq=False)
class PositionTable:
    """The same in every channel.

    Parameters
    ----------
    name: of its memory regions.
    make: its values, float32 [position, part, element].
    parts: of a row.
    row_words: of a row in memory.
    copies: of each part, one after the other, that a pass has of it.
    regions: by channel.
    """

    name: str
    make: Callable[[], np.ndarray]
    parts: int
    row_words: int
    copies: int
    regions: list[Region]

    @classmethod
    def allocate(cls, name: str, memory: MemoryMap, positions: int, parts: int, elements: int,
                 make: Callable[[], np.ndarray], copies: int = 1) -> "PositionTable":
        """Reserve its memory."""
        words = parts * elements // ELEMENTS
        regions = [memory.allocate(name, channel, positions * words) for channel in range(memory.config.channels)]
        return cls(name, make, parts, words, copies, regions)

    @property
    def part_words(self) -> int:
        """SRAM words of a part with all its copies."""
        return self.copies * self.row_words // self.parts

    @property
    def words(self) -> int:
        """SRAM words of a row with all copies."""
        return self.copies * self.row_words

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        """(region, bytes)."""
        values = np.ascontiguousarray(self.make()).reshape(-1).view(np.uint8)
        for region in self.regions:
            yield region, values


def allocate_rotary(shape: ModelShape, positions: int, memory: MemoryMap) -> dict[Rotation, PositionTable]:
    """C and S of every rotation of the model's layers.

    Of a single rotation all heads of a group have copies, so that one VEC turns them; several would need much SRAM.
    """
    rotations = list(dict.fromkeys(kind.rotation for kind in shape.kinds if kind.rotation))
    copies = shape.group if len(rotations) == 1 else 1
    return {rotation: PositionTable.allocate(
        f"rotary{index or ''}", memory, positions, 2, shape.key_dim,
        partial(_rotary_table, rotation, shape.key_dim, positions), copies)
        for index, rotation in enumerate(rotations)}


def allocate_masks(spans: Sequence[Span], memory: MemoryMap) -> dict[Span, PositionTable]:
    """Of every span with a window."""
    return {span: PositionTable.allocate(
        f"mask.window{span.window}", memory, span.positions, 1, span.mask_size, partial(mask_table, span))
        for span in dict.fromkeys(spans) if span.window}


def _rotary_table(rotation: Rotation, key_dim: int, positions: int) -> np.ndarray:
    """float32 [positions, 2, key_dim]: C and S of numerics.md, computed in float64."""
    size = rotation.dim
    theta = rotation.base ** (-np.arange(0, size, 2, dtype=np.float64) / size)
    if rotation.factors is not None:
        theta = theta / np.array(rotation.factors)
    angle = np.arange(positions)[:, None] * theta
    turns = np.empty((positions, 2, size // 2, 2), np.float64)
    turns[:, 0] = np.cos(angle)[:, :, None]
    turns[:, 1] = np.sin(angle)[:, :, None] * [-1, 1]
    table = np.zeros((positions, 2, key_dim), "<f4")
    table[:, 0, size:] = 1
    table[:, :, :size] = (turns * rotation.magnitude).reshape(positions, 2, size)
    return table
