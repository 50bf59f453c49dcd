"""What is particular to a board."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dojang_hdl.config import PRESETS, ChipConfig, preset

from ..memory.dram import Dram
from .pins import Pins

__all__ = ["Board", "BoardError", "SerialLink"]


class BoardError(ValueError):
    """A board, its preset or its baud rate is not among those that there are; the message names them."""


@dataclass(frozen=True)
class SerialLink:
    """The serial port to the host.

    Parameters
    ----------
    bridge: the USB chip at its other end.
    bauds: rates it can do, the default first.
    note: where it is, if the board has no such chip.
    """

    bridge: str
    bauds: tuple[int, ...]
    note: str = ""

    @property
    def baud(self) -> int:
        return self.bauds[0]


@dataclass(frozen=True)
class Board:
    """A board that a chip can be built for.

    Parameters
    ----------
    name, title: for the command line and for people.
    presets: names of the chips that fit, the default first. One memory channel each, as large as ``dram``.
    dram: the memory.
    input_hz, clock_hz: of the oscillator; of chip and memory controller.
    link: the serial port.
    make_platform: the platform of amaranth-boards, imported on demand.
    pins: requests what the top connects to.
    loader: arguments of openFPGALoader that name board or cable.
    """

    name: str
    title: str
    presets: tuple[str, ...]
    dram: Dram
    input_hz: int
    clock_hz: int
    link: SerialLink
    make_platform: Callable[[], Any]
    pins: Callable[[Any], Pins]
    loader: tuple[str, ...]

    def __post_init__(self):
        for name in self.presets:
            config = preset(name)
            if config.channels != 1 or config.channel_mib != self.dram.mib:
                raise BoardError(f"board {self.name}: preset {name} has {config.channels} channels of "
                                 f"{config.channel_mib} MiB, expected one of {self.dram.mib} MiB")

    def chip(self, name: str | None = None) -> ChipConfig:
        """The preset of that name, without one the default."""
        if name is None:
            return preset(self.presets[0])
        if name not in self.presets:
            known = "" if name in PRESETS else " (no such preset)"
            raise BoardError(f"chip {name!r} is not for board {self.name}{known}, expected one of "
                             f"{', '.join(self.presets)}")
        return preset(name)

    def baud(self, baud: int | None = None) -> int:
        """The rate, if the link can do it; without one the fastest."""
        if baud is None:
            return self.link.baud
        if baud not in self.link.bauds:
            raise BoardError(f"baud rate {baud} is not one of board {self.name}, expected one of "
                             f"{', '.join(map(str, self.link.bauds))}")
        return baud

    @property
    def peak_bytes_per_s(self) -> float:
        return self.dram.peak_bytes_per_s(self.clock_hz)
