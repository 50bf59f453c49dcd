"""ALINX AX7325B (Kintex-7 325T). Two GiB of DDR3, whose controller has to come from the vendor's generator."""

from .board import SerialLink
from .pins import Pins
from .project import Project

__all__ = ["AX7325B"]


def _platform():
    from amaranth_boards.alinx_ax7325b import AX7325BPlatform

    return AX7325BPlatform()


def _pins(platform) -> Pins:
    uart, ddr3 = platform.request("uart", 0, dir="-"), platform.request("ddr3", 0, dir="-")
    leds = [platform.request("led", number, dir="-") for number in range(4)]
    memory = {"a": ddr3.a.io, "ba": ddr3.ba.io, "ras_n": ddr3.ras.io, "cas_n": ddr3.cas.io, "we_n": ddr3.we.io,
              "cs_n": ddr3.cs.io, "cke": ddr3.clk_en.io, "odt": ddr3.odt.io, "dm": ddr3.dm.io, "dq": ddr3.dq.io,
              "dqs_p": ddr3.dqs.p, "dqs_n": ddr3.dqs.n, "clk_p": ddr3.clk.p, "clk_n": ddr3.clk.n,
              "reset_n": ddr3.rst.io}
    return Pins(
        clock=platform.request("clk", 0, dir="-"), reset=platform.request("button", 0, dir="-"), rx=uart.rx,
        tx=uart.tx, memory={f"ddr3_{name}": pad for name, pad in memory.items()},
        leds=tuple(zip(leds, (("alive",), ("running",), ("memory_error",), ("link_error",)), strict=True)))


AX7325B = Project(
    name="ax7325b", title="ALINX AX7325B, Kintex-7", chip="board-ax7325b", input_hz=200_000_000, clock_hz=100_000_000,
    link=SerialLink("CP2102", (921_600, 115_200)), make_platform=_platform, pins=_pins,
    missing=("memory_channel", "a DDR3 controller with a memory port"))
