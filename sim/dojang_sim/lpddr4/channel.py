"""A whole LPDDR4 channel for simulation: controller and device."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.memory import MemoryPort, MemoryStatus

from .device import PhyDevice

__all__ = ["Lpddr4Channel"]


class Lpddr4Channel(wiring.Component):
    """`Controller` with `PhyDevice` behind it: a memory port that keeps to LPDDR4's rules or stops the simulation.

    Verilator only; the build needs `phy_sources`.
    """

    port: In(MemoryPort())
    status: In(MemoryStatus())

    def __init__(self, config: Lpddr4Config, channel: int):
        self.config, self.channel = config, channel
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = Controller(self.config)
        m.submodules.device = device = PhyDevice(self.config, self.channel)
        wiring.connect(m, wiring.flipped(self.port), controller.port)
        wiring.connect(m, wiring.flipped(self.status), controller.status)
        wiring.connect(m, controller.phy, device.phy)
        return m
