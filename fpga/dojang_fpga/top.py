"""The top of every board: chip, guard, memory, serial port, LEDs."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Module, ResetSignal
from amaranth.lib import io, wiring
from dojang_hdl.chip import Chip
from dojang_hdl.config import ChipConfig
from dojang_hdl.guard.guard import Guard
from dojang_hdl.node.node import Node

from .boards import Board
from .memory import LiteDramMemory
from .serial_port import SerialPort
from .status_leds import StatusLeds

__all__ = ["BoardTop"]


class BoardTop(wiring.Component):
    """What becomes the bitstream; it has no ports but the platform's pins.

    One clock: that of the memory's controller is the chip's, ``sync``. It is held in reset until the PLL has locked
    and while the board's button is pressed.

    Parameters
    ----------
    board: the board; its ``pins`` are requested from the platform.
    config: one of its chips.
    baud: of the serial port; the board's default without.
    make_node: as in `Chip`.
    at_dfi: a model of the memory is in its core, at the DFI; nothing is at the memory's pins. Simulation only.
    """

    def __init__(self, board: Board, config: ChipConfig, baud: int | None = None, make_node=Node,
                 at_dfi: bool = False):
        self.board, self.config, self.baud = board, config, board.baud(baud)
        self._make_node, self._at_dfi = make_node, at_dfi
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        board, config = self.board, self.config
        pins = board.pins(platform)
        m.submodules.memory = memory = LiteDramMemory(
            board.dram, board.clock_hz, board.input_hz, None if self._at_dfi else pins.memory, self._at_dfi)
        m.submodules.guard = guard = Guard(config.chunk)
        m.submodules.chip = chip = Chip(config, self._make_node)
        m.submodules.serial = serial = SerialPort(board.clock_hz / self.baud)
        m.submodules.leds = leds = StatusLeds(board.clock_hz)

        def pin(name, port, direction):
            m.submodules[name] = buffer = io.Buffer(direction, port)
            return buffer

        m.domains.sync = ClockDomain()
        m.d.comb += [memory.clk_in.eq(pin("clock", pins.clock, "i").i),
                     ClockSignal().eq(memory.clk), ResetSignal().eq(memory.rst)]
        if pins.reset is not None:
            m.d.comb += memory.rst_in.eq(pin("reset", pins.reset, "i").i)

        wiring.connect(m, chip.memory[0], guard.port)
        wiring.connect(m, guard.memory, memory.port)
        wiring.connect(m, chip.status[0], guard.status)
        wiring.connect(m, serial.o, chip.rx)
        wiring.connect(m, chip.tx, serial.i)
        m.d.comb += [serial.rx.eq(pin("rx", pins.rx, "i").i), pin("tx", pins.tx, "o").o.eq(serial.tx),
                     serial.ready.eq(1 if pins.rts is None else pin("rts", pins.rts, "i").i)]

        m.d.comb += [leds.running.eq(chip.running), leds.memory_error.eq(guard.status.error | memory.error),
                     leds.link_error.eq(serial.error)]
        for number, (port, states) in enumerate(pins.leds):
            m.d.comb += pin(f"led_{number}", port, "o").o.eq(Cat(leds.lit[state] for state in states).any())
        for number, (port, value) in enumerate(pins.held):
            m.d.comb += pin(f"held_{number}", port, "o").o.eq(Const(value, 1).replicate(len(port)))
        return m
