"""An LPDDR4 channel whose contents are guarded."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..counters import GUARD_COUNTERS, MEMORY_COUNTERS
from ..guard.guard import Guard
from ..memory import MemoryPort, MemoryStatus
from .controller import Controller
from .phy import PhyPort
from .timing import Lpddr4Config

__all__ = ["GuardedController", "GuardedCounters"]

GuardedCounters = data.StructLayout(dict.fromkeys((*MEMORY_COUNTERS, *GUARD_COUNTERS), 32))


class GuardedController(wiring.Component):
    """`Guard` in front of `Controller`, one status for both.

    Parameters
    ----------
    config: the channel.
    tile: words of a tile, the chip's ``chunk``.

    Members
    -------
    port: `MemoryPort`. phy: `PhyPort`. ready: initialisation is over.
    status, counters: the counters of both, read one by one or seen all at once.
    """

    def __init__(self, config: Lpddr4Config, tile: int):
        self.config, self._tile = config, tile
        super().__init__({"port": In(MemoryPort()), "phy": Out(PhyPort(config.ratio)), "ready": Out(1),
                          "status": In(MemoryStatus()), "counters": Out(GuardedCounters)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.guard = guard = Guard(self._tile)
        m.submodules.controller = controller = Controller(self.config)
        wiring.connect(m, wiring.flipped(self.port), guard.port)
        wiring.connect(m, guard.memory, controller.port)
        wiring.connect(m, controller.phy, wiring.flipped(self.phy))
        status = self.status
        for part in (guard.status, controller.status):
            m.d.comb += [part.enable.eq(status.enable), part.clear.eq(status.clear), part.address.eq(status.address)]
        m.d.comb += [
            self.ready.eq(controller.ready), self.counters.eq(Cat(controller.counters, guard.counters)),
            # Each of them has zeros where the other one has counters.
            status.data.eq(guard.status.data | controller.status.data),
            status.guarded.eq(guard.status.guarded), status.busy.eq(guard.status.busy),
            status.error.eq(guard.status.error),
        ]
        return m
