"""A whole LPDDR4 channel for simulation: controller and device."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.counters import Counters
from dojang_hdl.lpddr4.guarded import GuardedController, GuardedCounters
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.memory import MemoryPort, MemoryStatus

from .device import PhyDevice

__all__ = ["Lpddr4Channel"]


class Lpddr4Channel(wiring.Component):
    """`Controller` with `PhyDevice` behind it: a memory port that keeps to LPDDR4's rules or stops the simulation.

    Verilator only; the build needs `phy_sources`.

    Parameters
    ----------
    tile: with it, the channel is a `GuardedController` with tiles of so many words.

    Members
    -------
    port, status, counters: of the controller.
    """

    def __init__(self, config: Lpddr4Config, channel: int, tile: int | None = None):
        self.config, self.channel, self._tile = config, channel, tile
        super().__init__({"port": In(MemoryPort()), "status": In(MemoryStatus()),
                          "counters": Out(GuardedCounters if tile else Counters)})

    def elaborate(self, platform):
        m = Module()
        controller = GuardedController(self.config, self._tile) if self._tile else Controller(self.config)
        m.submodules.controller = controller
        m.submodules.device = device = PhyDevice(self.config, self.channel)
        wiring.connect(m, wiring.flipped(self.port), controller.port)
        wiring.connect(m, wiring.flipped(self.status), controller.status)
        wiring.connect(m, controller.phy, device.phy)
        m.d.comb += self.counters.eq(controller.counters)
        return m
