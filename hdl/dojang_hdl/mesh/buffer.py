"""A stream register that cuts every combinational path."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Holds up to two words; valid, payload and ready all come straight from flip-flops. Throughput one word per cycle.

    Parameters
    ----------
    shape: shape of the payload.

    Members
    -------
    i, o: the streams; a word offered in cycle t is seen at the output in t + `latency`.
    """

    latency = 1

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        spare = Signal.like(self.o.payload)
        spare_full = Signal()
        m.d.comb += self.i.ready.eq(~spare_full)
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += self.o.valid.eq(spare_full | self.i.valid)
            m.d.sync += spare_full.eq(0)
            with m.If(spare_full):
                m.d.sync += self.o.payload.eq(spare)
            with m.Elif(self.i.valid):
                m.d.sync += self.o.payload.eq(self.i.payload)
        with m.Elif(self.i.valid & ~spare_full):
            m.d.sync += [spare.eq(self.i.payload), spare_full.eq(1)]
        return m
