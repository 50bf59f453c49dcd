"""What all boards have in common: the chip, its serial port and its lights."""

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data, io, wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.chip import Chip
from dojang_hdl.config import ChipConfig
from dojang_hdl.host.uart import UartReceiver, UartTransmitter
from dojang_hdl.memory import MemoryPort, MemoryStatus
from dojang_hdl.streams.buffer import Buffer

from .boards.pins import LED_STATES, Pins
from .status_leds import StatusLeds

__all__ = ["ChipSystem", "connect_pins"]


class ChipSystem(wiring.Component):
    """A chip of one memory channel behind a serial port; clock, memory and pins are the board's.

    Parameters
    ----------
    config: the chip.
    clock_hz, baud: of ``sync`` and of the serial port.
    chip: other parameters of `Chip`.

    Members
    -------
    memory, status: of the channel; what is there should be guarded.
    memory_error: the memory itself says that it does not work.
    rx, tx, ready: the serial lines; ready: the host can take bytes.
    lit: the LEDs.
    """

    def __init__(self, config: ChipConfig, clock_hz: int, baud: int, **chip):
        if config.channels != 1:
            raise ValueError(f"chip {config.name} has {config.channels} memory channels, expected 1")
        self._config, self._clock_hz, self._baud, self._chip = config, clock_hz, baud, chip
        super().__init__({
            "memory": Out(MemoryPort()), "status": Out(MemoryStatus()), "memory_error": In(1),
            "rx": In(1, init=1), "tx": Out(1, init=1), "ready": In(1, init=1),
            "lit": Out(data.StructLayout(dict.fromkeys(LED_STATES, 1))),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.chip = chip = Chip(self._config, clock_hz=self._clock_hz, **self._chip)
        m.submodules.receiver = receiver = UartReceiver(self._clock_hz, self._baud)
        m.submodules.transmitter = transmitter = UartTransmitter(self._clock_hz, self._baud)
        m.submodules.outgoing = outgoing = Buffer(8)    # the port is at its pins
        m.submodules.leds = leds = StatusLeds(self._clock_hz)
        wiring.connect(m, chip.memory[0], wiring.flipped(self.memory))
        wiring.connect(m, chip.status[0], wiring.flipped(self.status))
        wiring.connect(m, receiver.o, chip.rx)
        wiring.connect(m, chip.tx, outgoing.i)
        wiring.connect(m, outgoing.o, transmitter.i)
        m.d.comb += [
            receiver.line.eq(self.rx), self.tx.eq(transmitter.line), transmitter.clear.eq(self.ready),
            leds.running.eq(chip.running), leds.memory_error.eq(self.status.error | self.memory_error),
            leds.link_error.eq(receiver.framing | chip.bad_frame), self.lit.eq(leds.lit),
        ]
        return m


def connect_pins(m: Module, system: ChipSystem, pins: Pins) -> None:
    """Buffers between the pins and the system's lines and lights, and what holds other pins."""
    def pin(name, port, direction):
        m.submodules[name] = buffer = io.Buffer(direction, port)
        return buffer

    m.d.comb += [system.rx.eq(pin("rx", pins.rx, "i").i), pin("tx", pins.tx, "o").o.eq(system.tx),
                 system.ready.eq(1 if pins.rts is None else pin("rts", pins.rts, "i").i)]
    for number, (port, states) in enumerate(pins.leds):
        m.d.comb += pin(f"led_{number}", port, "o").o.eq(Cat(system.lit[state] for state in states).any())
    for number, (port, value) in enumerate(pins.held):
        m.d.comb += pin(f"held_{number}", port, "o").o.eq(Const(value, 1).replicate(len(port)))
