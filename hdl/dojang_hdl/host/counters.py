"""The bridge's own event counters."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from . import protocol

__all__ = ["LinkCounters"]


class LinkCounters(wiring.Component):
    """One saturating counter for each name in `protocol.LINK_COUNTERS`.

    Members
    -------
    events: bit i counts once per cycle in counter i.
    values: all counters, packed as on the link.
    """

    events: In(len(protocol.LINK_COUNTERS))
    values: Out(sum(width for _, width in protocol.LINK_COUNTERS))

    def elaborate(self, platform):
        m = Module()
        at = 0
        for event, (_, width) in zip(self.events, protocol.LINK_COUNTERS, strict=True):
            counter = self.values[at:at + width]
            with m.If(event & ~counter.all()):
                m.d.sync += counter.eq(counter + 1)
            at += width
        return m
