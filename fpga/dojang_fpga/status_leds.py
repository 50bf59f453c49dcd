"""What a board's LEDs show."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .boards.pins import LED_STATES

__all__ = ["StatusLeds"]


class StatusLeds(wiring.Component):
    """One light for each of `LED_STATES`.

    Parameters
    ----------
    clock_hz: of ``sync``: the heart beats once a second.

    Members
    -------
    running, memory_error: shown as they are.
    link_error: shown for a second after each cycle of it.
    lit: the lights, 1: on.
    """

    running: In(1)
    memory_error: In(1)
    link_error: In(1)
    lit: Out(data.StructLayout(dict.fromkeys(LED_STATES, 1)))

    def __init__(self, clock_hz: int):
        if clock_hz < 2:
            raise ValueError(f"clock_hz={clock_hz}, expected at least 2")
        self._second = int(clock_hz)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        beat, left = Signal(range(self._second)), Signal(range(self._second + 1))
        m.d.sync += [
            beat.eq(Mux(beat == self._second - 1, 0, beat + 1)),
            self.lit.alive.eq(beat < self._second // 2), self.lit.running.eq(self.running),
            self.lit.memory_error.eq(self.memory_error), self.lit.link_error.eq(left != 0),
        ]
        with m.If(self.link_error):
            m.d.sync += left.eq(self._second)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        return m
