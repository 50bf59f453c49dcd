"""Turns a run of SRAM words into a stream."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..sram_port import SRAM_LATENCY, SramRead

__all__ = ["SourceCommand", "SramSource"]

SourceCommand = data.StructLayout({"addr": 16, "words": 16})

DEPTH = 8
"""Words that may be between the SRAM and the consumer; covers the SRAM's latency at one word per cycle."""


class SramSource(wiring.Component):
    """Reads ``words`` SRAM words from ``addr`` on and offers them in order.

    Throughput one word per cycle; a stalled consumer stalls the reads. ``words`` = 0 gives nothing.
    The next command is accepted when the last read of the previous one has been issued.

    Members
    -------
    command: In stream of `SourceCommand`.
    sram: the read port used.
    o: Out stream of words.
    idle: high when no word is outstanding and none is offered.
    """

    command: In(stream.Signature(SourceCommand))
    sram: Out(SramRead())
    o: Out(stream.Signature(WORD_BITS))
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = fifo.SyncFIFOBuffered(width=WORD_BITS, depth=DEPTH)
        addr, left = Signal(16), Signal(16)
        outstanding = Signal(range(DEPTH + 1))
        arriving = Signal(SRAM_LATENCY)

        issue, taken = Signal(), Signal()
        m.d.comb += [
            self.command.ready.eq(left == 0),
            issue.eq((left != 0) & (outstanding != DEPTH)),
            taken.eq(self.o.valid & self.o.ready),
            self.sram.addr.eq(addr),
            buffer.w_en.eq(arriving[-1]),
            buffer.w_data.eq(self.sram.data),
            self.o.valid.eq(buffer.r_rdy),
            self.o.payload.eq(buffer.r_data),
            buffer.r_en.eq(self.o.ready),
            self.idle.eq((left == 0) & (outstanding == 0)),
        ]
        m.d.sync += [arriving.eq((arriving << 1) | issue), outstanding.eq(outstanding + issue - taken)]
        with m.If(self.command.valid & self.command.ready):
            m.d.sync += [addr.eq(self.command.payload.addr), left.eq(self.command.payload.words)]
        with m.Elif(issue):
            m.d.sync += [addr.eq(addr + 1), left.eq(left - 1)]
        return m
