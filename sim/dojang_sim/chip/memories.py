"""What can stand behind the memory ports of the simulated chip."""

from dataclasses import dataclass, field
from pathlib import Path

from amaranth.lib import wiring
from dojang_hdl.config import ChipConfig
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4.channel import Lpddr4Channel
from ..lpddr4.device import PhyDevice, phy_sources
from ..memory import SOURCES, IdealMemory

__all__ = ["IDEAL", "MEMORIES", "Ideal", "Lpddr4", "Memories"]


@dataclass(frozen=True)
class Ideal:
    """A word every cycle, ``latency`` cycles after its command; ``pauses`` as in `IdealMemory`."""

    latency: int = 32
    pauses: int = 0

    components = (IdealMemory,)
    guarded = False
    ports = 1
    port_words = None

    @property
    def sources(self) -> tuple[Path, ...]:
        return SOURCES

    def channel(self, number: int, config: ChipConfig) -> wiring.Component:
        return IdealMemory(number, config.channel_words, self.latency, self.pauses and self.pauses + number)


@dataclass(frozen=True)
class Lpddr4:
    """An LPDDR4 controller with its memory, clocked so that a word a cycle of each port is the peak of the pins."""

    timing: Lpddr4Config = field(default_factory=lambda: Lpddr4Config(init_divisor=1000))

    components = (Lpddr4Channel, PhyDevice)
    guarded = True

    @property
    def ports(self) -> int:
        return self.timing.ports

    @property
    def port_words(self) -> int:
        return self.timing.port_words

    @property
    def sources(self) -> tuple[Path, ...]:
        return phy_sources()

    def channel(self, number: int, config: ChipConfig) -> wiring.Component:
        return Lpddr4Channel(self.timing, number, config.chunk, config.gathered_clusters)


Memories = Ideal | Lpddr4
"""``channel`` makes a component with a `MemoryPort` called ``port``, or an array of ``ports`` of them, for this channel
of the chip and those that follow; the build needs ``sources``, and is made from the files of ``components`` as well.
``guarded``: a guard protects what it holds (docs/reference/guard.md). ``port_words``: what a port can address, None if
it is as large as the chip wants.
"""

IDEAL = Ideal()
MEMORIES = {"ideal": IDEAL, "lpddr4": Lpddr4(),
            "lpddr4-3200": Lpddr4(Lpddr4Config(rate=3200, density=16, ratio=8, ports=2, init_divisor=1000))}
"""By the names the command line has for them."""
