"""The device model as components: behind the PHY boundary, and at its pins."""

from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.lpddr4.phy import PhyPort
from dojang_hdl.lpddr4.timing import Lpddr4Config

from .compiled import device_source
from .devicespec import memspec_of

__all__ = ["PhyDevice", "PinsDevice", "phy_sources", "pins_sources"]


def phy_sources() -> tuple[Path, ...]:
    """What a Verilator build needs besides the Verilog of a design with `PhyDevice`."""
    return Path(__file__).with_name("lpddr4_phy.v"), device_source()


def pins_sources() -> tuple[Path, ...]:
    """What a Verilator build needs besides the Verilog of a design with `PinsDevice`."""
    return Path(__file__).with_name("lpddr4_pins.v"), device_source()


class PhyDevice(wiring.Component):
    """An LPDDR4 channel and an ideal PHY behind `PhyPort`. Simulation only; a Verilator build needs `phy_sources`.

    Data is in the image file named by ``DOJANG_MEMORY_<channel>`` when the simulation starts, which may be smaller than
    the device, or nowhere if there is none; a second port's in that of the next channel. A breach of a rule is a line
    on stderr and ends the simulation, unless the options in ``DOJANG_LPDDR4_<channel>`` have ``continue``
    (docs/reference/lpddr4.md lists them).

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


class PinsDevice(wiring.Component):
    """An LPDDR4 channel at its pins, as lpddr4_pins.v describes them; else as `PhyDevice`. Needs `pins_sources`.

    Members
    -------
    ck, cs, ca, cke, reset_n, dmi_in: from the PHY; the device inverts no data, so it drives no DMI.
    dq_in, dq_out, dq_oe, dqs_in, dqs_out, dqs_oe: the two ways of DQ and DQS.
    """

    def __init__(self, config: Lpddr4Config, channel: int = 0):
        self.config, self.channel = config, channel
        super().__init__({
            "ck": In(1), "cs": In(1), "ca": In(6), "cke": In(1), "reset_n": In(1), "dmi_in": In(2),
            "dq_in": In(16), "dq_out": Out(16), "dq_oe": Out(1),
            "dqs_in": In(2), "dqs_out": Out(2), "dqs_oe": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.device = Instance(
            "lpddr4_pins", p_CHANNEL=self.channel, p_SPEC=str(memspec_of(self.config)),
            i_ck=self.ck, i_cs=self.cs, i_ca=self.ca, i_cke=self.cke, i_reset_n=self.reset_n, i_dmi_in=self.dmi_in,
            i_dq_in=self.dq_in, o_dq_out=self.dq_out, o_dq_oe=self.dq_oe,
            i_dqs_in=self.dqs_in, o_dqs_out=self.dqs_out, o_dqs_oe=self.dqs_oe)
        return m
