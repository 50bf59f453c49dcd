"""The west end of a mesh row: serves the row's memory channel to all nodes."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ChipConfig
from ..counters import CHANNEL_COUNTERS
from ..isa import Mode
from ..memory import MemoryCommand, MemoryPort, MemoryWrite
from ..streams.arbiter import MatrixArbiter
from ..streams.buffer import Buffer
from .flit import DataFlit, DataKind, DataLink, RequestKind, RequestLink
from .message import HostMessage
from .prefetch_queue import PrefetchQueue

__all__ = ["Edge", "EdgeCounters"]

EdgeCounters = data.StructLayout({name: 32 for name in CHANNEL_COUNTERS})
"""Cycles since the last clear: ``busy`` a word crossed the memory port; else ``stalled`` something was offered there
and not taken; else ``idle``. ``useful_read`` and ``useful_written`` count words (a masked write is one). They wrap."""

_Tag = data.StructLayout({"x": 4, "y": 4, "reply": DataKind, "reply_addr": 16, "tag": 2, "length": 9})

_OUTSTANDING = 16
"""Reads in flight: 16 requests of one word hide a latency of 16 cycles, of 32 words one of 512 cycles."""

_WRITES = 16
"""Write words that wait while their commands pass through the memory's queue."""

_PREFETCHES = 8
"""Prefetching requests of a node that wait at its edge: as many chunks as its two readers have on their way."""

_WINDOW = 3
"""Chunks that a memory may still have to read when it gets another prefetching request: one that it delivers, checked,
while it reads the next one and opens rows for the one after that."""

_NARROW, _CALM = 1, 1024
"""The same while keys and values are read or written, for whoever does that waits for nothing else, and cycles after
one of these requests in which others are to be expected."""

_PATIENCE = 4096
"""Cycles that prefetching waits for urgent reads at most."""


class Edge(wiring.Component):
    """Turns requests into memory commands and read words into unicast data flits for the requester.

    Requests are served in order, but READs for `PREFETCHED` kinds of words wait while the memory has much to read, and
    are passed by all others; see `PrefetchQueue`.

    A READ's words become flits of kind ``reply`` with its tag and a full mask; for STORE, their address counts up from
    ``reply_addr``. A READ of no words does nothing. Each WRITE is a memory command of one word. HOST flits go to
    ``host``. One reply word per cycle is sustained over READs of several nodes, one WRITE per cycle as well.

    ``host`` must drain: requests wait behind an untaken message. Counters lag the port by one cycle.

    Members
    -------
    request: from the request network's west port of column 0.
    data: to the data network's west port of column 0.
    memory: this row's channel.
    control: flits of the host bridge, merged fairly with the replies (tie it off where there is none).
    host: `HostMessage`.
    enable, clear: counters run; counters become 0.
    counters: `EdgeCounters`.
    """

    request: In(RequestLink())
    data: Out(DataLink())
    memory: Out(MemoryPort())
    control: In(DataLink())
    host: Out(stream.Signature(HostMessage))
    enable: In(1)
    clear: In(1)
    counters: Out(EdgeCounters)

    def __init__(self, config: ChipConfig):
        self.config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.tags = tags = fifo.SyncFIFO(width=_Tag.size, depth=_OUTSTANDING)
        m.submodules.order = order = PrefetchQueue(
            _PREFETCHES * self.config.width, _WINDOW * self.config.chunk, _NARROW * self.config.chunk, _CALM, _PATIENCE)
        wiring.connect(m, wiring.flipped(self.request), order.i)
        self._serve(m, tags, order.o)
        m.d.comb += order.returned.eq(self._reply(m, tags))
        self._count(m)
        return m

    def _serve(self, m, tags, request):
        m.submodules.command = command = Buffer(MemoryCommand)
        m.submodules.writes = writes = fifo.SyncFIFO(width=MemoryWrite.size, depth=_WRITES)
        m.submodules.message = message = Buffer(HostMessage)
        wiring.connect(m, command.o, wiring.flipped(self.memory.command))
        wiring.connect(m, message.o, wiring.flipped(self.host))
        flit = request.payload
        accept = Signal()
        read, write, to_host, room = Signal(), Signal(), Signal(), Signal()
        word = data.View(MemoryWrite, writes.w_data)
        # Waiting for all resources, whatever the kind, keeps the flit's fields out of the path to ready. Of the queues
        # a register knows whether two places were left: one for what was taken meanwhile.
        m.d.sync += room.eq((writes.w_level < _WRITES - 1) & (tags.w_level < _OUTSTANDING - 1))
        m.d.comb += [
            request.ready.eq(command.i.ready & message.i.ready & room),
            accept.eq(request.valid & request.ready),
            read.eq(accept & (flit.kind == RequestKind.READ) & (flit.length != 0)),
            write.eq(accept & (flit.kind == RequestKind.WRITE)),
            to_host.eq(accept & (flit.kind == RequestKind.HOST)),
            command.i.valid.eq(read | write),
            command.i.payload.write.eq(write),
            command.i.payload.addr.eq(flit.addr),
            command.i.payload.length.eq(Mux(write, 1, flit.length)),
            writes.w_en.eq(write),
            word.data.eq(flit.payload),
            word.mask.eq(flit.mask),
            self.memory.write.valid.eq(writes.r_rdy),
            self.memory.write.payload.eq(writes.r_data),
            writes.r_en.eq(self.memory.write.ready),
            message.i.valid.eq(to_host),
            message.i.payload.x.eq(flit.x),
            message.i.payload.y.eq(flit.y),
            Cat(message.i.payload.type).eq(flit.addr),
            message.i.payload.payload.eq(flit.payload),
            tags.w_en.eq(read),
        ]
        tag = data.View(_Tag, tags.w_data)
        m.d.comb += [getattr(tag, name).eq(getattr(flit, name)) for name in dict(_Tag)]

    def _reply(self, m, tags):
        """Returns the signal that a word of the memory is taken."""
        m.submodules.output = output = Buffer(DataFlit)
        wiring.connect(m, output.o, wiring.flipped(self.data))
        m.submodules.turn = turn = MatrixArbiter(2)
        read = self.memory.read
        current = Signal(_Tag)
        active = Signal()
        taken = Signal()
        reply = Signal(DataFlit)
        m.d.comb += [
            turn.request.eq(Cat(read.valid & active, self.control.valid)),
            turn.advance.eq(output.i.ready),
            taken.eq(turn.grant[0] & output.i.ready),
            read.ready.eq(taken),
            self.control.ready.eq(turn.grant[1] & output.i.ready),
            reply.mode.eq(Mode.UNICAST), reply.x.eq(current.x), reply.y.eq(current.y), reply.kind.eq(current.reply),
            reply.addr.eq(current.reply_addr), reply.tag.eq(current.tag), reply.mask.eq(0xF),
            reply.payload.eq(read.payload),
            output.i.valid.eq(turn.grant.any()),
            output.i.payload.eq(Mux(turn.grant[1], self.control.payload, reply)),
        ]
        with m.If(~active | taken & (current.length == 1)):
            m.d.comb += tags.r_en.eq(1)
            m.d.sync += [active.eq(tags.r_rdy), current.eq(tags.r_data)]
        with m.Elif(taken):
            m.d.sync += current.length.eq(current.length - 1)
            with m.If(current.reply == DataKind.STORE):
                m.d.sync += current.reply_addr.eq(current.reply_addr + 1)
        return taken

    def _count(self, m):
        port = self.memory
        read, written, stalled, enable = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            enable.eq(self.enable), read.eq(port.read.valid & port.read.ready),
            written.eq(port.write.valid & port.write.ready),
            stalled.eq(Cat(s.valid & ~s.ready for s in (port.command, port.write, port.read)).any()),
        ]
        busy = read | written
        events = {"cycles": 1, "busy": busy, "stalled": ~busy & stalled, "idle": ~busy & ~stalled,
                  "useful_read": read, "useful_written": written}
        for name, event in events.items():
            counter = getattr(self.counters, name)
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
            with m.Elif(enable & event):
                m.d.sync += counter.eq(counter + 1)
