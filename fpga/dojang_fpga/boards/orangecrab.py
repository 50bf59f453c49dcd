"""OrangeCrab r0.2 with the 85F. Its USB port is the FPGA's own, so the serial port is on the Feather pins RX and TX."""

from ..memory.dram import Dram
from .board import Board, SerialLink
from .pins import Pins, ddr3_pads

__all__ = ["ORANGECRAB"]


def _platform():
    from amaranth.build import Attrs, DiffPairs, Resource, Subsignal
    from amaranth.build import Pins as Balls
    from amaranth.build import PinsN as BallsN
    from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_85FPlatform
    from amaranth_boards.resources import UARTResource

    platform = OrangeCrabR0_2_85FPlatform()
    single, pairs = Attrs(IO_TYPE="SSTL135_I", SLEWRATE="FAST"), Attrs(IO_TYPE="SSTL135D_I", SLEWRATE="FAST")
    platform.add_resources([
        UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP")),
        # The platform's own has bank addresses on the LED's and the connector's pins and halves of one pair as two
        # strobes. DM is listed by the strobe that its pin is clocked with; on the board the two are exchanged.
        Resource("ddr3", 1,
                 Subsignal("rst", BallsN("L18", dir="o")),
                 Subsignal("clk", DiffPairs("J18", "K18", dir="o"), pairs),
                 Subsignal("clk_en", Balls("D18", dir="o")),
                 Subsignal("cs", BallsN("A12", dir="o")),
                 Subsignal("we", BallsN("B12", dir="o")),
                 Subsignal("ras", BallsN("C12", dir="o")),
                 Subsignal("cas", BallsN("D13", dir="o")),
                 Subsignal("a", Balls("C4 D2 D3 A3 A4 D4 C3 B2 B1 D1 A7 C2 B6", dir="o")),
                 Subsignal("ba", Balls("D6 B7 A6", dir="o")),
                 Subsignal("dqs", DiffPairs("B15 G18", "A16 H17", dir="io"),
                           Attrs(TERMINATION="OFF", DIFFRESISTOR="100"), pairs),
                 Subsignal("dq", Balls("C17 D15 B17 C16 A15 B13 A17 A13 F17 F16 G15 F15 J16 C18 H16 F18", dir="io"),
                           Attrs(TERMINATION="75")),
                 Subsignal("dm", Balls("D16 G16", dir="o")),
                 Subsignal("odt", Balls("C13", dir="o")),
                 single),
    ])
    return platform


def _pins(platform) -> Pins:
    uart = platform.request("uart", 0, dir="-")
    led = platform.request("rgb_led", 0, dir="-")
    # Pins tied to the supplies of the memory's banks. The first ones are inverted: 0 is high.
    supplies = platform.request("ddr3_pseudo_power", 0, dir="-")
    return Pins(
        clock=platform.request("clk", 0, dir="-"), reset=platform.request("button", 0, dir="-"), rx=uart.rx, tx=uart.tx,
        memory=ddr3_pads(platform.request("ddr3", 1, dir="-"), 13),
        leds=((led.b, ("alive",)), (led.g, ("running",)), (led.r, ("memory_error", "link_error"))),
        held=((supplies.vcc_virtual, 0), (supplies.gnd_virtual, 0)))


ORANGECRAB = Board(
    name="orangecrab", title="OrangeCrab r0.2 85F", presets=("board-orangecrab",),
    dram=Dram("ddr3", "MT41K64M16", 128, dm_lanes=(1, 0)), input_hz=48_000_000, clock_hz=72_000_000,
    link=SerialLink("an adapter of 3.3 V", (3_000_000, 12_000_000, 2_000_000, 1_000_000, 115_200),
                    "Feather pins RX (0) and TX (1)"),
    make_platform=_platform, pins=_pins, loader=("-b", "orangecrab"))
