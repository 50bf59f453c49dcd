"""LiteDRAM's model of an LPDDR4 memory as a device at the pins (package litedram, extra ``test``)."""

from importlib import import_module
from unittest.mock import patch

from amaranth.hdl import ClockDomain, Instance, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.timing import Lpddr4Config

from .serializer import Pins

__all__ = ["LONGEST_RL", "ROWS", "LitedramDevice", "litedram_verilog"]

MODULE = "litedram_lpddr4"

LONGEST_RL = 18
"""What its command pipeline holds."""

ROWS = 1024
"""Rows of a bank that are told apart; LiteDRAM's own 32768 would take half a gigabyte."""


class LitedramDevice(wiring.Component):
    """The model behind `Pins`. Simulation only: needs `litedram_verilog` in the Verilator build.

    Members
    -------
    clk: four times the memory clock, the one that the pins change with.
    pins: `Pins`. The first beat of read data comes 1.5 tCK after RL, its DQS edge in its middle.
    """

    clk: In(1)
    pins: In(Pins())

    def elaborate(self, platform):
        m = Module()
        pins = self.pins
        m.domains.quarter = quarter = ClockDomain(local=True, reset_less=True)
        m.d.comb += quarter.clk.eq(self.clk)
        # Its data clocks are twice the memory clock: one rises with each edge of CK, the other between them.
        before, even = Signal(), Signal()
        m.d.quarter += [before.eq(pins.ck), even.eq(pins.ck == before)]
        m.submodules.verilog = Instance(
            MODULE, i_sys8x_90_clk=pins.ck, i_sys8x_90_ddr_clk=even, i_sys8x_ddr_clk=~even,
            i_sys8x_90_rst=0, i_sys8x_90_ddr_rst=0, i_sys8x_ddr_rst=0,
            i_cs=pins.cs, i_ca=pins.ca, i_cke=pins.cke, i_reset_n=pins.reset_n,
            i_dq_o=pins.dq_o, i_dq_oe=pins.dq_oe, o_dq_i=pins.dq_i,
            i_dqs_o=pins.dqs_o, i_dqs_oe=pins.dqs_oe, o_dqs_i=pins.dqs_i, i_dmi_o=pins.dmi_o, i_dmi_oe=pins.dq_oe)
        return m


def litedram_verilog(config: Lpddr4Config) -> str:
    """Verilog of the model for ``config``; the same text every time.

    Raises `ValueError` if RL is more than `LONGEST_RL`, `ImportError` without litedram.
    """
    t = config.timing()
    if t.RL > LONGEST_RL:
        raise ValueError(f"rate={config.rate} means RL {t.RL}, expected at most {LONGEST_RL}")
    # An optional package without types: imported only here, and as values.
    lpddr4 = import_module("litedram.phy.lpddr4.sim")
    migen, verilog = import_module("migen"), import_module("migen.fhdl.verilog")
    top = migen.Module()
    domains = [migen.ClockDomain(name) for name in ("sys8x_90", "sys8x_90_ddr", "sys8x_ddr")]
    top.clock_domains += domains
    top.submodules.pads = pads = import_module("litedram.phy.lpddr4.simphy").LPDDR4SimulationPads()
    parts, add_fsm = _changes(lpddr4, migen, config)
    with patch.multiple(lpddr4, **parts), patch.object(lpddr4.DataBurst, "add_fsm", add_fsm):
        top.submodules.memory = lpddr4.LPDDR4Sim(
            pads, sys_clk_freq=config.rate * 1_000_000 // 16, cl=t.RL, cwl=t.WL, disable_delay=False,
            log_level="cmd=DEBUG,data=WARN")
    ports = {signal for domain in domains for signal in (domain.clk, domain.rst)}
    ports |= {pads.cke, pads.reset_n, pads.cs, pads.ca}
    ports |= {getattr(pads, f"{name}_{end}") for name in ("dq", "dqs") for end in ("o", "i", "oe")}
    return str(verilog.convert(top, ports | {pads.dmi_o, pads.dmi_oe}, name=MODULE))


def _changes(lpddr4, migen, config: Lpddr4Config):
    """What LiteDRAM's module ``lpddr4`` is to use for its own parts, each with the reason, and its burst machine."""
    If, NextState, NextValue = migen.If, migen.NextState, migen.NextValue

    class OneBurstAClock(migen.Module):
        """The crossing of bursts from the command clock to the data clock, at most one a command clock.

        The model takes a burst at both edges of the data clock: where two wait, as they do if reads follow each other
        within RL, it would lose the second.
        """

        def __init__(self, layout, cd_from, cd_to):
            self.submodules.crossing = inside = crossing(layout, cd_from, cd_to)
            self.sink, self.source = inside.sink, type(inside.source)(layout)
            taken = migen.Signal()
            sync = getattr(self.sync, cd_to)
            sync += taken.eq(self.source.valid & self.source.ready)
            self.comb += [
                inside.source.connect(self.source, omit={"valid", "ready"}),
                self.source.valid.eq(inside.source.valid & ~taken), inside.source.ready.eq(self.source.ready & ~taken)]

    def add_fsm(burst, ops, on_trigger=()):
        """A burst may follow the one before at once; the model rests for a beat and would be late."""
        burst.submodules.fsm = fsm = migen.FSM()
        fsm.act("IDLE", NextValue(burst.burst_counter, 0), If(burst.trigger, *on_trigger, NextState("BURST")))
        fsm.act("BURST", *ops, NextValue(burst.burst_counter, burst.burst_counter + 1),
                If(burst.burst_counter == burst.bl - 1, If(burst.trigger, *on_trigger).Else(NextState("IDLE"))))

    def pulse_timing(clocks):
        """tINIT1 and tINIT3 are those above 100 µs; ``init_divisor`` holds for both."""
        return timing(clocks // config.init_divisor if clocks > config.clocks(100_000) else clocks)

    def smaller_memory(width, depth):
        return migen.Memory(width, depth * ROWS // 32768)

    crossing, timing = lpddr4.ClockDomainCrossing, lpddr4.PulseTiming
    return {"ClockDomainCrossing": OneBurstAClock, "PulseTiming": pulse_timing, "Memory": smaller_memory}, add_fsm
