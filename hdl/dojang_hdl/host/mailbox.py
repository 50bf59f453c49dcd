"""Stores what the nodes send to the host until it is read."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, ChipConfig
from ..mesh.flit import HostType
from ..mesh.message import HostMessage
from . import protocol

__all__ = ["Mailbox", "StoredMessage"]

StoredMessage = data.StructLayout({"x": 4, "y": 4, "type": 8, "payload": WORD_BITS})
"""A message in the order of its bytes on the link."""


class Mailbox(wiring.Component):
    """Messages other than DONE, in order of arrival. Always sinks, one per cycle; those beyond its depth are dropped.

    Members
    -------
    messages: stream of `HostMessage`, always ready.
    clear: forget everything; a message of the same cycle is lost.
    count: messages stored.
    overflow: a message was dropped since ``clear``.
    dropped: one-cycle event for each dropped message.
    index, stored: read port; stored belongs to the index of one cycle before.
    """

    def __init__(self, config: ChipConfig):
        self.depth = protocol.mailbox_depth(config.run_messages)
        super().__init__({
            "messages": In(stream.Signature(HostMessage)),
            "clear": In(1),
            "count": Out(range(self.depth + 1)),
            "overflow": Out(1),
            "dropped": Out(1),
            "index": In(range(self.depth)),
            "stored": Out(StoredMessage),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.storage = storage = memory.Memory(shape=StoredMessage, depth=self.depth, init=[])
        write, read = storage.write_port(), storage.read_port()
        message = self.messages.p
        wanted, full = Signal(), Signal()
        m.d.comb += [
            self.messages.ready.eq(1),
            wanted.eq(self.messages.valid & (message.type != HostType.DONE)),
            full.eq(self.count == self.depth),
            write.addr.eq(self.count), write.en.eq(wanted & ~full),
            write.data.x.eq(message.x), write.data.y.eq(message.y), write.data.type.eq(message.type),
            write.data.payload.eq(message.payload),
            read.addr.eq(self.index), self.stored.eq(read.data),
            self.dropped.eq(wanted & full),
        ]
        with m.If(self.clear):
            m.d.sync += [self.count.eq(0), self.overflow.eq(0)]
        with m.Elif(wanted):
            with m.If(full):
                m.d.sync += self.overflow.eq(1)
            with m.Else():
                m.d.sync += self.count.eq(self.count + 1)
        return m
