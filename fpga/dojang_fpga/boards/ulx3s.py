"""Radiona ULX3S with the 85F: SDR SDRAM."""

from ..memory.dram import Dram
from .board import Board, SerialLink
from .pins import Pins, sdr_pads

__all__ = ["ULX3S"]


def _platform():
    from amaranth_boards.ulx3s import ULX3S_85F_Platform

    return ULX3S_85F_Platform()


def _pins(platform) -> Pins:
    uart = platform.request("uart", 0, dir="-")
    leds = [platform.request("led", number, dir="-") for number in range(4)]
    return Pins(
        clock=platform.request("clk25", 0, dir="-"), reset=platform.request("button_pwr", 0, dir="-"), rx=uart.rx,
        tx=uart.tx, rts=~uart.rts, memory=sdr_pads(platform.request("sdram", 0, dir="-")),
        leds=tuple(zip(leds, (("alive",), ("running",), ("memory_error",), ("link_error",)), strict=True)),
        # Low, it tells the ESP32 to load another bitstream.
        held=((platform.request("esp32", 0, dir="-").gpio0, 1),))


ULX3S = Board(
    name="ulx3s", title="Radiona ULX3S 85F", presets=("board-ulx3s",),
    dram=Dram("sdr", "MT48LC16M16", 32, sdr_rate=2), input_hz=25_000_000, clock_hz=60_000_000,
    link=SerialLink("FT231X", (3_000_000, 2_000_000, 1_000_000, 921_600, 115_200)),
    make_platform=_platform, pins=_pins, loader=("-b", "ulx3s"))
