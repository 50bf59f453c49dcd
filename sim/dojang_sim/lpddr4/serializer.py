"""The simulated PHY with real pins: `PhyPort` to the pins of an LPDDR4 channel."""

from pathlib import Path

from amaranth.hdl import Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, Signature
from dojang_hdl.lpddr4.phy import CA_BITS, PhyPort
from dojang_hdl.lpddr4.timing import Lpddr4Config

__all__ = ["SOURCES", "Pins", "Serializer", "read_latency"]

SOURCES = (Path(__file__).with_name("serializer.v"),)
"""What a Verilator build needs besides the Verilog of a design with `Serializer`."""


class Pins(Signature):
    """The pins of one x16 LPDDR4 channel, the PHY's view. Differential pairs are their true half.

    DQ and DQS are split into ``_o`` with ``_oe`` (the PHY drives) and ``_i``; while the memory drives nothing, its DQS
    is low. DMI is driven with DQ and never read: there is no data bus inversion.
    """

    def __init__(self):
        super().__init__({
            "ck": Out(1), "cs": Out(1), "ca": Out(CA_BITS), "cke": Out(1), "reset_n": Out(1),
            "dq_o": Out(16), "dq_oe": Out(1), "dq_i": In(16),
            "dqs_o": Out(2), "dqs_oe": Out(1), "dqs_i": In(2), "dmi_o": Out(2),
        })


def read_latency(config: Lpddr4Config) -> int:
    """Controller cycles from ``read_start`` to the first ``read_valid`` of `Serializer`."""
    t, ratio = config.timing(), config.ratio
    # Memory clocks from the end of the first cycle to half a clock before the latest beat of a cycle's worth is in; it
    # is passed on in the middle of a cycle.
    latest = t.WPRE + 3 + t.RL + t.DQSCK + ratio
    return 1 - (-(2 * latest + 1 - ratio) // (2 * ratio))


class Serializer(wiring.Component):
    """A behavioural PHY that needs no training. Simulation only: needs `SOURCES` in the Verilator build.

    RD and MRR start at phase 0, as WR does. The first beat of read data may come a quarter of a memory clock to
    ``DQSCK`` of ``config.timing()`` after RL; the burst is passed on `read_latency` cycles after ``read_start`` all the
    same.

    Parameters
    ----------
    config: the channel.

    Members
    -------
    clk: four times the memory clock.
    controller_clk: for the driver of ``phy``, whose outputs are taken at its rising edges.
    phy: `PhyPort`.
    pins: `Pins`; they change at edges of ``clk``, DQ a quarter of a memory clock before the DQS edge that takes it.
    """

    def __init__(self, config: Lpddr4Config):
        self._config = config
        super().__init__({
            "clk": In(1), "controller_clk": Out(1), "phy": In(PhyPort(config.ratio)), "pins": Out(Pins())})

    def elaborate(self, platform):
        m = Module()
        phy, pins, t = self.phy, self.pins, self._config.timing()
        m.submodules.verilog = Instance(
            "lpddr4_serializer", p_RATIO=self._config.ratio, p_RL=t.RL, p_WL=t.WL, p_WPRE=t.WPRE,
            p_LATENCY=read_latency(self._config),
            i_clk=self.clk, o_controller_clk=self.controller_clk,
            i_ca=phy.ca, i_cs=phy.cs, i_cke=phy.cke, i_reset_n=phy.reset_n,
            i_write=phy.write, i_mask=phy.mask, i_write_valid=phy.write_valid,
            i_read_start=phy.read_start, o_read=phy.read, o_read_valid=phy.read_valid,
            o_ck_pin=pins.ck, o_cs_pin=pins.cs, o_ca_pin=pins.ca, o_cke_pin=pins.cke, o_reset_n_pin=pins.reset_n,
            o_dq_o=pins.dq_o, o_dq_oe=pins.dq_oe, i_dq_i=pins.dq_i,
            o_dqs_o=pins.dqs_o, o_dqs_oe=pins.dqs_oe, i_dqs_i=pins.dqs_i, o_dmi_o=pins.dmi_o)
        m.d.comb += phy.calibrated.eq(1)
        return m
