"""Small tops at the pins of an FPGA."""

from collections.abc import Callable
from pathlib import Path

import pytest
import serial
from amaranth.build import Attrs, Clock, Pins, Resource, Subsignal
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Module
from amaranth.lib import io
from amaranth.vendor import LatticeECP5Platform
from dojang_sim.board.build import Design, build_pins
from dojang_sim.board.pins import Chip, Wiring
from dojang_sim.board.simulation import RunningPins

CLOCK_HZ = 75_000_000


class TinyPlatform(LatticeECP5Platform):
    """A clock, a UART, 32 LEDs and a bus of eight wires with a clock."""

    device, package, speed = "LFE5U-85F", "BG554", "8"
    default_clk = "clk"
    resources = [
        Resource("clk", 0, Pins("A1", dir="i"), Clock(CLOCK_HZ)),
        Resource("uart", 0, Subsignal("rx", Pins("A2", dir="i")), Subsignal("tx", Pins("A3", dir="o"))),
        Resource("led", 0, Pins(" ".join(f"B{n}" for n in range(32)), dir="o")),
        Resource("bus", 0, Subsignal("dq", Pins(" ".join(f"C{n}" for n in range(8)), dir="io")),
                 Subsignal("clk", Pins("D1", dir="o")), Attrs(IO_TYPE="LVCMOS33")),
    ]
    connectors = []


class TinyTop(Elaboratable):
    """Buffers around ``body(m, platform, rx, tx, leds)``, whose ``sync`` domain is the clock pin."""

    def __init__(self, body: Callable):
        self.body = body

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        uart, buffers = platform.request("uart", 0, dir="-"), {}
        for name, port, direction in (("clk", platform.request("clk", 0, dir="-"), "i"), ("rx", uart.rx, "i"),
                                      ("tx", uart.tx, "o"), ("leds", platform.request("led", 0, dir="-"), "o")):
            m.submodules[name] = buffers[name] = io.Buffer(direction, port)
        m.d.comb += ClockSignal().eq(buffers["clk"].i)
        self.body(m, platform, buffers["rx"].i, buffers["tx"].o, buffers["leds"].o)
        return m


@pytest.fixture
def simulate():
    """``simulate(body, name, chips)``: a running `TinyTop`, stopped behind the test."""
    running = []

    def start(body: Callable, name: str, chips: tuple[Chip, ...] = ()) -> RunningPins:
        wiring = Wiring("clk_0__io", "uart_0__rx__io", "uart_0__tx__io", ("led_0__io",))
        design = Design(name, lambda: (TinyPlatform(), TinyTop(body)), wiring, chips=chips,
                        origins=(Path(__file__), Path(body.__code__.co_filename)))
        running.append(RunningPins(build_pins(design), CLOCK_HZ))
        return running[-1]

    yield start
    for pins in running:
        pins.stop()


@pytest.fixture
def talk():
    """``talk(pins, baud, data, wait)``: what comes back, at most as many bytes and for so many seconds."""
    def exchange(pins: RunningPins, baud: int, data: bytes, wait: float = 20.0) -> bytes:
        with serial.Serial(pins.port, baud, timeout=wait) as port:
            port.write(data)
            return port.read(len(data))
    return exchange
