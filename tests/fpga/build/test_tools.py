"""The real tools on a small design: every stage's options are understood, and what comes out is a bitstream."""

import pytest
from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import io, wiring
from dojang_fpga.boards import board
from dojang_fpga.build import build

pytestmark = pytest.mark.report


class Blinker(wiring.Component):
    """Stands for a board's top."""

    def __init__(self, board, *_):
        self._board = board
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        pins = self._board.pins(platform)
        m.domains.sync = ClockDomain(reset_less=True)
        m.submodules.clock = clock = io.Buffer("i", pins.clock)
        m.submodules.led = led = io.Buffer("o", pins.leds[0][0])
        count = Signal(24)
        m.d.sync += count.eq(count + 1)
        m.d.comb += [ClockSignal().eq(clock.i), led.o.eq(count[-1])]
        return m


def test_a_small_design_becomes_a_bitstream(tmp_path, monkeypatch):
    for name in ("YOSYS", "NEXTPNR_ECP5", "ECPPACK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("dojang_fpga.top.BoardTop", Blinker)
    target = board("ulx3s")
    result = build(target, target.chip(), target.baud(), (1,), tmp_path / "out", tmp_path / "stages")
    assert result.timing_met
    (clock,) = result.figures["clocks"].values()
    assert clock["constraint_mhz"] == 25.0 and clock["fmax_mhz"] > 100
    assert result.figures["ff"] == 24 and 24 <= result.figures["comb"] < 40
    assert result.figures["dsp"] == result.figures["bram"] == 0
    # Bitstreams of Lattice begin with a comment, then a preamble.
    assert result.path.read_bytes()[:2] == b"\xff\x00" and b"\xbd\xb3" in result.path.read_bytes()[:400]
