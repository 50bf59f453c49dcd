"""A whole LPDDR4 channel for simulation: controller and device."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.guarded import GuardedController
from dojang_hdl.lpddr4.ports import ports_of
from dojang_hdl.lpddr4.timing import Lpddr4Config

from .device import PhyDevice

__all__ = ["Lpddr4Channel"]


class Lpddr4Channel(wiring.Component):
    """`Controller` with `PhyDevice` behind it: memory ports that keep to LPDDR4's rules or stop the simulation.

    Verilator only; the build needs `phy_sources`.

    Parameters
    ----------
    channel: number of the first port; the images and the options of the device are found by it.
    tile: with it, the channel is a `GuardedController` with tiles of so many words, which gathers ``entries`` clusters.

    Members
    -------
    port, status, events: of the controller.
    """

    def __init__(self, config: Lpddr4Config, channel: int, tile: int | None = None, entries: int = 4):
        self.config, self.channel = config, channel
        self._controller = GuardedController(config, tile, entries) if tile else Controller(config)
        members = self._controller.signature.members
        super().__init__({name: members[name] for name in ("port", "status", "events")})

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = self._controller
        m.submodules.device = device = PhyDevice(self.config, self.channel)
        for outside, inside in ((self.port, controller.port), (self.status, controller.status)):
            for outer, inner in zip(ports_of(self.config, outside), ports_of(self.config, inside), strict=True):
                wiring.connect(m, wiring.flipped(outer), inner)
        wiring.connect(m, controller.phy, device.phy)
        m.d.comb += self.events.eq(controller.events)
        return m
