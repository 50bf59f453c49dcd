"""Allocation of the channels' memory."""

from dataclasses import dataclass

from dojang_hdl.config import WORD_BYTES, ChipConfig

from .errors import CompileError
from .layout import round_up

__all__ = ["MemoryMap", "Region"]


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


class MemoryMap:
    """Hands out memory from address 0 up, every region on a multiple of the read chunk.

    Members
    -------
    regions: all regions, per channel in ascending order of address.
    """

    def __init__(self, config: ChipConfig):
        self.config = config
        self.regions: list[Region] = []
        self._used = [0] * config.channels

    def allocate(self, name: str, channel: int, words: int) -> Region:
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

    def check(self, model: str) -> None:
        """Raise `CompileError` if a channel holds more than its memory."""
        needed = max(self.used_bytes(channel) for channel in range(self.config.channels)) / (1 << 20)
        if needed > self.config.channel_mib:
            raise CompileError(f"model {model!r} needs {needed:.1f} MiB of memory per channel, chip "
                               f"{self.config.name!r} has {self.config.channel_mib} MiB")
