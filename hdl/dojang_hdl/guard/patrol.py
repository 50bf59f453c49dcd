"""Reads all clusters, one now and then, so that single wrong bits do not become two."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .jobs import Job, Purpose
from .layout import CLUSTER

__all__ = ["Patrol"]

_INDEX = (CLUSTER - 1).bit_length()


class Patrol(wiring.Component):
    """A cluster every ``interval`` cycles, from ``start`` to before ``end`` and again; 0: none. One at a time.

    Members
    -------
    halt: nothing more is asked for; what the patrol is told changes meanwhile only, once ``job`` is taken.
    job: what is to be read.
    read: it has been read (strobe).
    found, cluster: a cluster read by the patrol had to be corrected (strobe).
    refresh: a cluster to be written anew; one found meanwhile waits for the next round.
    """

    interval: In(24)
    start: In(32)
    end: In(32)
    job: Out(stream.Signature(Job))
    halt: In(1)
    read: In(1)
    found: In(1)
    cluster: In(32 - _INDEX)
    refresh: Out(stream.Signature(32 - _INDEX))

    def elaborate(self, platform):
        m = Module()
        wait, at, reading = Signal(24), Signal(32 - _INDEX), Signal()   # a cluster
        m.d.comb += [
            self.job.payload.purpose.eq(Purpose.PATROL), self.job.payload.addr.eq(at << _INDEX),
            self.job.payload.length.eq(CLUSTER),
        ]
        with m.If(self.interval == 0):
            m.d.sync += wait.eq(0)
        with m.Elif(wait[1:].any()):     # from the interval to 1
            m.d.sync += wait.eq(wait - 1)
        with m.Elif((at < self.start[_INDEX:]) | (at >= self.end[_INDEX:])):
            m.d.sync += at.eq(self.start[_INDEX:])
        with m.Elif(~self.job.valid & ~reading & ~self.halt):
            m.d.sync += [wait.eq(self.interval), self.job.valid.eq(1)]
        with m.If(self.job.valid & self.job.ready):
            m.d.sync += [at.eq(at + 1), self.job.valid.eq(0), reading.eq(1)]
        with m.Elif(self.read):
            m.d.sync += reading.eq(0)
        with m.If(self.found & ~self.refresh.valid):
            m.d.sync += [self.refresh.valid.eq(1), self.refresh.payload.eq(self.cluster)]
        with m.Elif(self.refresh.ready):
            m.d.sync += self.refresh.valid.eq(0)
        return m
