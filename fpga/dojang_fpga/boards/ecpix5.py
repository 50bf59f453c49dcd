"""LambdaConcept ECPIX-5 with the 85F: the reference board."""

from ..memory.dram import Dram
from .board import Board, SerialLink
from .pins import Pins, ddr3_pads

__all__ = ["ECPIX5"]


def _platform():
    from amaranth_boards.ecpix5 import ECPIX585Platform

    return ECPIX585Platform()


def _pins(platform) -> Pins:
    uart = platform.request("uart", 0, dir="-")
    alive, running, memory, link = (platform.request("rgb_led", number, dir="-") for number in range(4))
    return Pins(
        clock=platform.request("clk100", 0, dir="-"), reset=platform.request("rst", 0, dir="-"), rx=uart.rx, tx=uart.tx,
        memory=ddr3_pads(platform.request("ddr3", 0, dir="-"), 15),
        leds=((alive.g, ("alive",)), (running.b, ("running",)), (memory.r, ("memory_error",)),
              (link.r, ("link_error",))))


ECPIX5 = Board(
    name="ecpix5", title="LambdaConcept ECPIX-5 85F", presets=("board-ecpix5", "board-ecpix5-1x1"),
    dram=Dram("ddr3", "MT41K256M16", 512), input_hz=100_000_000, clock_hz=75_000_000,
    link=SerialLink("FT2232H", (12_000_000, 3_000_000, 2_000_000, 1_000_000, 115_200)),
    make_platform=_platform, pins=_pins, loader=("-b", "ecpix5"))
