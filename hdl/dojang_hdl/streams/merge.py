"""Joins several streams into one."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamMerge"]


class StreamMerge(wiring.Component):
    """Round-robin merge of ``count`` streams of ``shape``, one item per cycle, through one register.

    Items of one input keep their order. An item that was accepted is in the output register, so whatever is
    offered later by any input leaves after it.

    Members
    -------
    i: array of In streams.
    o: Out stream.
    """

    def __init__(self, shape, count: int):
        self.shape, self.count = shape, count
        super().__init__({"i": In(stream.Signature(shape)).array(count), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        space, grant, last = Signal(), Signal(range(self.count)), Signal(range(self.count))
        # The input after the last served one has the highest priority; later assignments win.
        with m.Switch(last):
            for served in range(self.count):
                with m.Case(served):
                    m.d.comb += grant.eq(served)
                    for step in reversed(range(1, self.count)):
                        candidate = (served + step) % self.count
                        with m.If(self.i[candidate].valid):
                            m.d.comb += grant.eq(candidate)
        m.d.comb += space.eq(~self.o.valid | self.o.ready)
        with m.If(space):
            m.d.sync += self.o.valid.eq(0)
            with m.Switch(grant):
                for index in range(self.count):
                    with m.Case(index):
                        with m.If(self.i[index].valid):
                            m.d.comb += self.i[index].ready.eq(1)
                            m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(self.i[index].payload),
                                         last.eq(index)]
        return m
