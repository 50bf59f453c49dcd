"""The top of every board that can be built: chip, guard, memory, serial port, LEDs."""

from amaranth.hdl import ClockDomain, ClockSignal, Const, Instance, Module, ResetSignal, Signal
from amaranth.lib import io, wiring
from dojang_hdl.config import ChipConfig
from dojang_hdl.guard.guard import Guard
from dojang_hdl.register_slice import RegisterSlice

from .boards import Board
from .memory import LiteDramMemory
from .system import ChipSystem, connect_pins

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
    at_dfi: a model of the memory is in its core, at the DFI; nothing is at the memory's pins. Simulation only.
    chip: as `ChipSystem` has it.
    """

    def __init__(self, board: Board, config: ChipConfig, baud: int | None = None, at_dfi: bool = False,
                 **chip):
        self.board, self.config, self.baud = board, config, board.baud(baud)
        self._at_dfi, self._chip = at_dfi, chip
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        board, config = self.board, self.config
        pins = board.pins(platform)
        m.submodules.memory = memory = LiteDramMemory(
            board.dram, board.clock_hz, board.input_hz, None if self._at_dfi else pins.memory, self._at_dfi)
        m.submodules.guard = guard = Guard(config.chunk, config.gathered_clusters, control_window=True)
        m.submodules.system = system = ChipSystem(config, board.clock_hz, self.baud, spread_reset=_global_net,
                                                  **self._chip)

        m.domains.sync = ClockDomain()
        m.submodules.clock = clock = io.Buffer("i", pins.clock)
        m.d.comb += [memory.clk_in.eq(clock.i), ClockSignal().eq(memory.clk),
                     ResetSignal().eq(_global_net(m, memory.rst))]
        if pins.reset is not None:
            m.submodules.reset = reset = io.Buffer("i", pins.reset)
            m.d.comb += memory.rst_in.eq(reset.i)

        # The chip, the guard and the memory's pins lie apart.
        for name, master, slave in (("chip_slice", system.memory, guard.port),
                                    ("memory_slice", guard.memory, memory.port)):
            m.submodules[name] = slice_ = RegisterSlice()
            wiring.connect(m, master, slice_.port)
            wiring.connect(m, slice_.memory, slave)
        wiring.connect(m, system.status, guard.status)
        m.d.comb += system.memory_error.eq(memory.error)
        connect_pins(m, system, pins)
        return m


def _global_net(m: Module, reset) -> Signal:
    """A reset on one of the ECP5's global nets: nextpnr puts clocks there by itself, but not what resets flip-flops."""
    spread = Signal()
    m.submodules += Instance("DCCA", i_CLKI=reset, i_CE=Const(1), o_CLKO=spread)
    return spread
