"""Antmicro's LPDDR4 test board (Kintex-7 70T): our own LPDDR4 controller; the PHY has to be added."""

from dojang_hdl.lpddr4.timing import Lpddr4Config

from .board import SerialLink
from .pins import Pins
from .project import Project

__all__ = ["ANTMICRO_LPDDR4"]


def _platform():
    from amaranth.build import Attrs, Clock, DiffPairs, Resource, Subsignal
    from amaranth.build import Pins as Balls
    from amaranth.build import PinsN as BallsN
    from amaranth.vendor import XilinxPlatform
    from amaranth_boards.resources import LEDResources, UARTResource

    lvcmos, sstl, pairs = Attrs(IOSTANDARD="LVCMOS33"), Attrs(IOSTANDARD="SSTL12"), Attrs(IOSTANDARD="DIFF_SSTL12")

    class Platform(XilinxPlatform):
        device, package, speed = "xc7k70t", "fbg484", "1"
        default_clk = "clk100"
        connectors = []
        resources = [
            Resource("clk100", 0, Balls("L19", dir="i"), Clock(100e6), lvcmos),
            *LEDResources(pins="F8 C8 A8 D9 F9", attrs=lvcmos),
            UARTResource(0, rx="AA18", tx="AB18", attrs=lvcmos),
            Resource("lpddr4", 0,
                     Subsignal("clk", DiffPairs("Y3", "Y2", dir="o"), pairs),
                     Subsignal("cke", Balls("N4", dir="o"), sstl),
                     Subsignal("odt", Balls("N5", dir="o"), sstl),
                     Subsignal("rst", BallsN("P4", dir="o"), sstl),
                     Subsignal("cs", Balls("N3", dir="o"), sstl),
                     Subsignal("ca", Balls("L3 L5 AA4 AA3 AB3 AB2", dir="o"), sstl),
                     Subsignal("dq", Balls("L1 K2 K1 K3 R1 P2 P1 N2 W2 Y1 AA1 AB1 R2 T1 T3 U1", dir="io"),
                               Attrs(IOSTANDARD="SSTL12_T_DCI")),
                     Subsignal("dqs", DiffPairs("M2 U2", "M1 V2", dir="io"), pairs),
                     Subsignal("dmi", Balls("M3 W1", dir="io"), Attrs(IOSTANDARD="SSTL12_T_DCI")),
                     Attrs(SLEW="FAST")),
        ]

    return Platform()


def _pins(platform) -> Pins:
    uart, lpddr4 = platform.request("uart", 0, dir="-"), platform.request("lpddr4", 0, dir="-")
    leds = [platform.request("led", number, dir="-") for number in range(4)]
    memory = {"clk_p": lpddr4.clk.p, "clk_n": lpddr4.clk.n, "cke": lpddr4.cke.io, "odt": lpddr4.odt.io,
              "reset_n": lpddr4.rst.io, "cs": lpddr4.cs.io, "ca": lpddr4.ca.io, "dq": lpddr4.dq.io,
              "dqs_p": lpddr4.dqs.p, "dqs_n": lpddr4.dqs.n, "dmi": lpddr4.dmi.io}
    return Pins(
        clock=platform.request("clk100", 0, dir="-"), rx=uart.rx, tx=uart.tx,
        memory={f"lpddr4_{name}": pad for name, pad in memory.items()},
        leds=tuple(zip(leds, (("alive",), ("running",), ("memory_error",), ("link_error",)), strict=True)))


ANTMICRO_LPDDR4 = Project(
    name="antmicro-lpddr4", title="Antmicro LPDDR4 test board, Kintex-7", chip="board-antmicro-lpddr4",
    input_hz=100_000_000, clock_hz=100_000_000, link=SerialLink("FT4232H", (3_000_000, 1_000_000, 115_200)),
    make_platform=_platform, pins=_pins, missing=("lpddr4_phy", "the PHY of an x16 LPDDR4 channel"),
    lpddr4=Lpddr4Config(rate=800, density=4, ratio=4))
