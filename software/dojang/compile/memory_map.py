"""The memory map of a model on a chip, without programs' contents or weights being packed."""

from dataclasses import dataclass

from dojang_hdl.config import WORD_BYTES, ChipConfig

from ..checkpoints import Checkpoint
from .compiler import compile_model

__all__ = ["MapEntry", "memory_map"]


@dataclass(frozen=True)
class MapEntry:
    """``bytes`` bytes from byte ``address`` of ``channel``."""

    name: str
    channel: int
    address: int
    bytes: int


def memory_map(checkpoint: Checkpoint, config: ChipConfig, context: int | None = None) -> list[MapEntry]:
    """Regions of a compiled model in ascending order of address per channel, neighbours of the same kind joined.

    Parameters
    ----------
    context: positions of the K/V cache; the model's own, 2,048 at most, if None.

    Raises
    ------
    CompileError: the model does not fit the chip.
    """
    context = context or min(checkpoint.shape.context, 2048)
    entries: list[MapEntry] = []
    regions = compile_model(checkpoint, config, context).regions
    for region in sorted(regions, key=lambda region: (region.channel, region.start)):
        name, address = _kind(region.name), region.start * WORD_BYTES
        if entries and (entries[-1].name, entries[-1].channel) == (name, region.channel):
            address = entries.pop().address
        entries.append(MapEntry(name, region.channel, address, region.start * WORD_BYTES + region.bytes - address))
    return entries


def _kind(name: str) -> str:
    """``layer3``, ``head``, ``logits``...: the first part of a region's name."""
    return name.split(".")[0]
