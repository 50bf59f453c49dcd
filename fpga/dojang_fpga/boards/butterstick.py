"""ButterStick r1.0. It has no serial port, and its SYZYGY pins no voltage at first: the SD socket's pins serve."""

from ..memory.dram import Dram
from .board import Board, SerialLink
from .pins import Pins, ddr3_pads

__all__ = ["BUTTERSTICK"]


def _platform():
    from amaranth.build import Attrs
    from amaranth_boards.butterstick import ButterStickPlatform
    from amaranth_boards.resources import UARTResource

    platform = ButterStickPlatform()
    # CMD and DAT0 of the socket.
    platform.add_resources([UARTResource(0, rx="A13", tx="C12", attrs=Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"))])
    return platform


def _pins(platform) -> Pins:
    uart = platform.request("uart", 0, dir="-")
    leds = platform.request("rgb_leds_muxed", 0, dir="-")
    ddr3 = platform.request("ddr3", 0, dir="-")
    return Pins(
        clock=platform.request("clk30", 0, dir="-"), reset=platform.request("button", 0, dir="-"), rx=uart.rx,
        tx=uart.tx, memory=ddr3_pads(ddr3, 16),
        leds=tuple((leds.leds[number], (state,)) for number, state in enumerate(
            ("alive", "running", "memory_error", "link_error"))),
        # One colour for all LEDs. The second rank of the memory sleeps; its select is inverted.
        held=((leds.b, 1), (ddr3.cs[1], 0), (ddr3.clk_en[1], 0), (ddr3.odt[1], 0)))


BUTTERSTICK = Board(
    name="butterstick", title="ButterStick r1.0 85F", presets=("board-butterstick",),
    dram=Dram("ddr3", "MT41K512M16", 1024), input_hz=30_000_000, clock_hz=75_000_000,
    link=SerialLink("an adapter of 3.3 V", (3_000_000, 12_000_000, 2_000_000, 1_000_000, 115_200),
                    "SD socket, CMD (to the board) and DAT0 (from the board)"),
    make_platform=_platform, pins=_pins, loader=("-b", "butterstick"))
