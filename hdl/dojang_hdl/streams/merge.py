"""Joins several streams into one."""

from amaranth.hdl import Cat, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .arbiter import MatrixArbiter
from .multiplex import multiplex

__all__ = ["StreamMerge"]


class StreamMerge(wiring.Component):
    """Fair merge of ``count`` streams of ``shape``, one item per cycle, through one register.

    Whoever was served longest ago comes first, so nobody waits for more than ``count - 1`` others. Items of one
    input keep their order. An item that was accepted is in the output register, so whatever is offered later by any
    input leaves after it.

    Members
    -------
    i: array of In streams.
    o: Out stream; an item accepted in cycle t is offered in t + `latency`.
    """

    latency = 1

    def __init__(self, shape, count: int):
        self.shape, self.count = shape, count
        super().__init__({"i": In(stream.Signature(shape)).array(count), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.arbiter = arbiter = MatrixArbiter(self.count)
        m.d.comb += [arbiter.request.eq(Cat(i.valid for i in self.i)), arbiter.advance.eq(~self.o.valid | self.o.ready)]
        m.d.comb += [i.ready.eq(grant & arbiter.advance) for i, grant in zip(self.i, arbiter.grant, strict=True)]
        with m.If(arbiter.advance):
            # Unconditional: what is not valid is not looked at, and the enable of many flip-flops stays short.
            m.d.sync += [self.o.valid.eq(arbiter.request.any()),
                         self.o.payload.eq(multiplex(arbiter.select, [i.payload for i in self.i]))]
        return m
