"""Allocation of the channels' memory."""

from dataclasses import dataclass

from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.isa import Reg

from .errors import CompileError
from .layout import round_up
from .protection import Protection

__all__ = ["MemoryMap", "Region", "of_set"]


@dataclass(frozen=True)
class Region:
    """``words`` memory words of ``channel`` from word address ``start``."""

    name: str
    channel: int
    start: int
    words: int

    @property
    def bytes(self) -> int:
        return self.words * WORD_BYTES


def of_set(regions: list[Region]) -> dict[str, int]:
    """MEM fields that go from the first of ``regions``, one a scale set and equally far apart, to that of the pass."""
    return {"m_reg": Reg.SET, "m_mul": regions[1].start - regions[0].start} if len(regions) > 1 else {}


class MemoryMap:
    """Hands out memory from address 0 up, every region on a multiple of the read chunk.

    Tiles, which are only read, come first; behind `end_tiles` comes everything else. A guarded memory protects the two
    differently, and tells them apart by their address.

    Members
    -------
    regions: all regions, per channel in ascending order of address.
    """

    def __init__(self, config: ChipConfig):
        self.config = config
        self.regions: list[Region] = []
        self._used = [0] * config.channels
        self._tiles_end, self._in_tiles = 0, True

    def allocate_tiles(self, name: str, channel: int, words: int) -> Region:
        """Memory that programs stream and never write."""
        if not self._in_tiles:
            raise ValueError(f"tiles {name!r} are allocated behind the end of the tiles")
        return self._allocate(name, channel, words)

    def end_tiles(self) -> None:
        """What follows starts at the same address in all channels."""
        self._tiles_end, self._in_tiles = max(self._used), False
        self._used = [self._tiles_end] * len(self._used)

    def allocate(self, name: str, channel: int, words: int) -> Region:
        if self._in_tiles:
            raise ValueError(f"region {name!r} is allocated before the end of the tiles")
        return self._allocate(name, channel, words)

    def _allocate(self, name: str, channel: int, words: int) -> Region:
        region = Region(name, channel, self._used[channel], words)
        self._used[channel] = round_up(region.start + words, self.config.chunk)
        self.regions.append(region)
        return region

    def allocate_everywhere(self, name: str, words: int) -> Region:
        """The same addresses in every channel; the region of channel 0 is returned."""
        start = max(self._used)
        self._used = [start] * len(self._used)
        regions = [self.allocate(name, channel, words) for channel in range(self.config.channels)]
        return regions[0]

    def used_bytes(self, channel: int) -> int:
        return self._used[channel] * WORD_BYTES

    def tiles(self, channel: int) -> list[Region]:
        return [region for region in self.regions if region.channel == channel and region.start < self._tiles_end]

    @property
    def protection(self) -> Protection:
        """How a guard would lay out what has been allocated; the same in all channels."""
        clusters = round_up(max(self._used) - self._tiles_end, CLUSTER)
        return Protection(self._tiles_end, self._tiles_end + clusters, self.config.chunk)

    def check(self, model: str) -> None:
        """Raise `CompileError` if a channel holds more than its memory, were it guarded: with headers."""
        needed = self.protection.physical_words * WORD_BYTES / (1 << 20)
        if needed > self.config.channel_mib:
            raise CompileError(f"model {model!r} needs {needed:.1f} MiB of memory per channel, chip "
                               f"{self.config.name!r} has {self.config.channel_mib} MiB")
