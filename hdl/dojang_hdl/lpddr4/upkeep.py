"""What a running memory needs from time to time besides refreshes: its temperature read, its impedance calibrated."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .timing import BANKS, REFI_NS, Lpddr4Config

__all__ = ["Upkeep"]

CALIBRATION_EIGHTHS = 16
"""Eighths of the refresh interval between start and latch: at a quarter of tREFI twice tZQCAL."""

DELAY_EIGHTHS = 24 * BANKS
"""What two turns may take until they come, no bank being refreshed later than nine intervals after the last time."""


class Upkeep(wiring.Component):
    """At first, and then once in ``config.upkeep_ns`` or more often where it is hot: MRR of MR4 and ZQCAL_START in one
    turn without other commands, ZQCAL_LATCH in the next one that is later than tZQCAL.

    A turn of its own keeps the data bus quiet for the latch, and keeps an answer that never comes apart from reads.

    Members
    -------
    due: strobe, an eighth of the refresh interval has passed.
    turn, calm, finished: ``upkeep``, ``calm`` and ``finished`` of `Refresher`.
    register, register_taken: see `Scheduler`.
    start, latch: strobes, to send these commands.
    """

    due: In(1)
    turn: Out(1)
    calm: In(1)
    finished: Out(1)
    register: Out(1)
    register_taken: In(1)
    start: Out(1)
    latch: Out(1)

    def __init__(self, config: Lpddr4Config):
        self._rest = config.upkeep_ns * BANKS // REFI_NS - DELAY_EIGHTHS
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(range(max(self._rest, CALIBRATION_EIGHTHS)))
        with m.If(self.due):
            m.d.sync += count.eq(count + 1)
        m.d.comb += self.finished.eq(self.start | self.latch)
        with m.If(self.finished):
            m.d.sync += count.eq(0)
        with m.FSM():
            with m.State("READ"):
                m.d.comb += [self.turn.eq(1), self.register.eq(self.calm)]
                with m.If(self.register_taken):
                    m.next = "START"
            with m.State("START"):
                m.d.comb += [self.turn.eq(1), self.start.eq(1)]
                m.next = "CALIBRATE"
            with m.State("CALIBRATE"):
                with m.If(self.due & (count == CALIBRATION_EIGHTHS - 1)):
                    m.next = "LATCH"
            with m.State("LATCH"):
                m.d.comb += [self.turn.eq(1), self.latch.eq(self.calm)]
                with m.If(self.calm):
                    m.next = "REST"
            with m.State("REST"):
                with m.If(self.due & (count == self._rest - 1)):
                    m.next = "READ"
        return m
