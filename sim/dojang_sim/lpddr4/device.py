"""The device model as components: behind the PHY boundary, and at its pins."""

from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.phy import PhyPort
from dojang_hdl.lpddr4.timing import Lpddr4Config

from .compiled import device_source
from .devicespec import memspec_of

__all__ = ["PhyDevice", "phy_sources"]


def phy_sources() -> tuple[Path, ...]:
    """What a Verilator build needs besides the Verilog of a design with `PhyDevice`."""
    return Path(__file__).with_name("lpddr4_phy.v"), device_source()


class PhyDevice(wiring.Component):
    """An LPDDR4 channel and an ideal PHY behind `PhyPort`. Simulation only; a Verilator build needs `phy_sources`.

    Data is in the image file named by ``DOJANG_MEMORY_<channel>`` when the simulation starts, which may be smaller than
    the device, or nowhere if there is none. A breach of a rule is a line on stderr and ends the simulation, unless the
    options in ``DOJANG_LPDDR4_<channel>`` have ``continue`` (docs/reference/lpddr4.md lists them).

    Attributes
    ----------
    read_latency: cycles from the one with RD or MRR to the first with its data, at any phase of the command.
    """

    def __init__(self, config: Lpddr4Config, channel: int = 0):
        self.config, self.channel = config, channel
        timing = config.timing()
        # The last beat of the first cycle's worth, of a command at the last phase; then a register.
        self._read_cycles = (2 * (config.ratio - 1) + 3 + timing.RL + timing.DQSCK) // config.ratio
        self.read_latency = self._read_cycles + 1
        self._write_shift = (timing.WL + 4) % config.ratio
        super().__init__({"phy": In(PhyPort(config.ratio))})

    def elaborate(self, platform):
        m = Module()
        phy = self.phy
        m.d.comb += phy.calibrated.eq(1)
        m.submodules.device = Instance(
            "lpddr4_phy", p_CHANNEL=self.channel, p_RATIO=self.config.ratio, p_WRITE_SHIFT=self._write_shift,
            p_READ_CYCLES=self._read_cycles, p_SPEC=str(memspec_of(self.config)), i_clk=ClockSignal(),
            i_ca=phy.ca.as_value(), i_cs=phy.cs, i_cke=phy.cke, i_reset_n=phy.reset_n, i_write=phy.write.as_value(),
            i_mask=phy.mask.as_value(), i_write_valid=phy.write_valid, i_read_start=phy.read_start,
            o_read=phy.read.as_value(), o_read_valid=phy.read_valid)
        return m
