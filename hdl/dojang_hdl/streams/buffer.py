"""A stream register that cuts every combinational path."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Buffer"]


class Buffer(wiring.Component):
    """Holds up to two words; valid and ready are flip-flops, payload one multiplexer away. One word per cycle.

    The words stay where they were written: a late ``o.ready`` has to reach only pointers, not the wide registers.

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
        words = [Signal.like(self.o.payload, name=f"word{index}", reset_less=True) for index in range(2)]
        write, read = Signal(), Signal()   # the words' numbers
        put, take = Signal(), Signal()
        full = Signal()
        m.d.comb += [
            self.i.ready.eq(~full), put.eq(self.i.valid & ~full), take.eq(self.o.valid & self.o.ready),
            self.o.payload.eq(Mux(read, words[1], words[0])),
        ]
        for index, word in enumerate(words):
            with m.If(put & (write == index)):
                m.d.sync += word.eq(self.i.payload)
        with m.If(put):
            m.d.sync += write.eq(~write)
        with m.If(take):
            m.d.sync += read.eq(~read)
        with m.If(put & ~take):
            m.d.sync += [self.o.valid.eq(1), full.eq(self.o.valid)]
        with m.Elif(take & ~put):
            m.d.sync += [self.o.valid.eq(full), full.eq(0)]
        return m
