"""Where the requests of a node's units join."""

from amaranth.hdl import Module, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..streams.merge import StreamMerge
from .flit import RequestFlit, RequestLink

__all__ = ["RequestMerge"]

_WRITTEN = ("mask", "payload")
_Header = data.StructLayout({name: shape for name, shape in RequestFlit.members.items() if name not in _WRITTEN})


class RequestMerge(wiring.Component):
    """`StreamMerge` of requests of which only those of the last input write or speak to the host.

    So payload and mask are always that input's: no multiplexer as wide as a memory word. READs carry whatever was in
    them before.

    Members
    -------
    i: array of request links.
    o: request link; a flit accepted in cycle t is offered in t + `latency`.
    """

    latency = StreamMerge.latency

    def __init__(self, count: int):
        self._count = count
        super().__init__({"i": In(RequestLink()).array(count), "o": Out(RequestLink())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.headers = headers = StreamMerge(_Header, self._count)
        for source, header in zip(self.i, headers.i, strict=True):
            m.d.comb += [header.valid.eq(source.valid), source.ready.eq(header.ready)]
            m.d.comb += [header.payload[name].eq(source.payload[name]) for name in dict(_Header)]
        m.d.comb += [self.o.valid.eq(headers.o.valid), headers.o.ready.eq(self.o.ready)]
        m.d.comb += [self.o.payload[name].eq(headers.o.payload[name]) for name in dict(_Header)]
        writer = self.i[self._count - 1]
        with m.If(writer.ready):
            m.d.sync += [Value.cast(self.o.payload[name]).eq(Value.cast(writer.payload[name])) for name in _WRITTEN]
        return m
