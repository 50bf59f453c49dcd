"""Keeps the bytes that come while a request is executed."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out, connect, flipped

from . import protocol

__all__ = ["RESERVE", "ReceiveFifo"]

RESERVE = 256
"""Bytes a sender may still send after ``room`` has gone: what a USB bridge has in its own pipeline."""


class ReceiveFifo(wiring.Component):
    """`protocol.RECEIVE_BYTES` bytes in one block RAM, and one in its output register. One byte per cycle.

    Members
    -------
    i: bytes, always ready: a line cannot wait. One that finds the memory full is discarded.
    o: the bytes, two cycles later at the earliest.
    overrun: event for each byte discarded.
    room: more than `RESERVE` bytes fit; a register.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    overrun: Out(1)
    room: Out(1, init=1)

    def elaborate(self, platform):
        m = Module()
        # The output register counts: 2049 makes the memory a power of two.
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8, depth=protocol.RECEIVE_BYTES + 1)
        m.d.comb += [
            self.i.ready.eq(1), fifo.w_en.eq(self.i.valid), fifo.w_data.eq(self.i.payload),
            self.overrun.eq(self.i.valid & ~fifo.w_rdy),
        ]
        connect(m, fifo.r_stream, flipped(self.o))
        m.d.sync += self.room.eq(fifo.level < protocol.RECEIVE_BYTES - RESERVE)
        return m
