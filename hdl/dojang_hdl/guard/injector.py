"""Wrong bits on purpose, to see what becomes of them."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import MemoryPort
from .layout import INJECT

__all__ = ["Injector", "Injection"]

Injection = data.StructLayout(dict(INJECT))


class Injector(wiring.Component):
    """Between two memory ports; inverts the bits of ``mask`` in the words that `Injection` says. No latency.

    Members
    -------
    i, o: `MemoryPort`.
    start, injection: begin; a running injection ends.
    mask: bits to invert; rests while words move.
    left: words that are still to be inverted.
    """

    i: In(MemoryPort())
    o: Out(MemoryPort())
    start: In(1)
    injection: In(Injection)
    mask: In(WORD_BITS)
    left: Out(16)

    def elaborate(self, platform):
        m = Module()
        state = Signal(Injection)
        moved, active, next_active, next_write = Signal(), Signal(), Signal(), Signal()
        wiring.connect(m, wiring.flipped(self.i.command), wiring.flipped(self.o.command))
        for source, sink, write in ((self.i.write, self.o.write, 1), (self.o.read, self.i.read, 0)):
            hit = Signal(WORD_BITS, name="write_hit" if write else "read_hit")  # of this cycle: one input a bit
            with m.If(next_active & (next_write == write)):
                m.d.sync += hit.eq(self.mask)
            with m.Else():
                m.d.sync += hit.eq(0)
            m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready)]
            if write:
                m.d.comb += [sink.payload.data.eq(source.payload.data ^ hit), sink.payload.mask.eq(source.payload.mask)]
            else:
                m.d.comb += sink.payload.eq(source.payload ^ hit)
        m.d.comb += [
            moved.eq(Mux(state.write, self.o.write.valid & self.o.write.ready, self.o.read.valid & self.o.read.ready)),
            next_active.eq(active), next_write.eq(state.write), self.left.eq(state.count),
        ]
        m.d.sync += active.eq(next_active)
        with m.If(self.start):
            m.d.sync += state.eq(self.injection)
            m.d.comb += [next_active.eq((self.injection.skip == 0) & (self.injection.count != 0)),
                         next_write.eq(self.injection.write)]
        with m.Elif(moved & (state.skip != 0)):
            m.d.sync += state.skip.eq(state.skip - 1)
            m.d.comb += next_active.eq((state.skip == 1) & (state.count != 0))
        with m.Elif(moved & active):
            m.d.sync += state.count.eq(state.count - 1)
            m.d.comb += next_active.eq(state.count != 1)
        return m
