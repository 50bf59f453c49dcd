"""Whether the data bus reads or writes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Direction"]

MOST_BURSTS = 32
"""Bursts in a row while the other direction wants the bus: writes at most, and reads under pressure."""

PATIENCE_CYCLES = 4096
"""How long a write may wait while there are always reads."""

QUIET_CYCLES = 8
"""Cycles without a command in this direction after which the other one may have the bus."""


class Direction(wiring.Component):
    """Turns the bus only when it pays: a turn and the way back cost several bursts.

    Reads have the bus until enough writes wait to be worth it (``pressure``) and many reads were sent, none is ready
    for a while, or a write has waited for long. Writes have it until none is ready for a while, or many were sent and
    reads are ready.

    Members
    -------
    reads, writes: some bank could send one.
    pressure: many writes wait.
    taken: one is sent, in the present direction.
    write: the present direction. following: that of the next cycle.
    """

    reads: In(1)
    writes: In(1)
    pressure: In(1)
    taken: In(1)
    write: Out(1)
    following: Out(1)

    def elaborate(self, platform):
        m = Module()
        quiet = Signal(range(QUIET_CYCLES + 1))
        waited = Signal(range(PATIENCE_CYCLES + 1))
        sent = Signal(range(MOST_BURSTS + 1), init=MOST_BURSTS)     # since the last turn
        stale = quiet == QUIET_CYCLES
        m.d.comb += self.following.eq(self.write)
        m.d.sync += self.write.eq(self.following)
        with m.If(self.taken & (sent != MOST_BURSTS)):
            m.d.sync += sent.eq(sent + 1)
        with m.If(self.write):
            m.d.sync += waited.eq(0)
            with m.If(self.writes):
                m.d.sync += quiet.eq(0)
            with m.Elif(~stale):
                m.d.sync += quiet.eq(quiet + 1)
            with m.If(self.reads & (stale | (sent == MOST_BURSTS))):
                m.d.comb += self.following.eq(0)
                m.d.sync += [quiet.eq(0), sent.eq(0)]
        with m.Else():
            with m.If(self.writes & (waited != PATIENCE_CYCLES)):
                m.d.sync += waited.eq(waited + 1)
            with m.If(self.reads):
                m.d.sync += quiet.eq(0)
            with m.Elif(~stale):
                m.d.sync += quiet.eq(quiet + 1)
            # Else pressure that lasts would turn the bus back before a read is sent.
            pressed = self.pressure & (sent == MOST_BURSTS)
            with m.If(self.writes & (pressed | stale | (waited == PATIENCE_CYCLES))):
                m.d.comb += self.following.eq(1)
                m.d.sync += [quiet.eq(0), sent.eq(0)]
        return m
