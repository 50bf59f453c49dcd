"""Prefetching reader: turns long read commands into chunked requests and buffers the replies."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS
from ..streams.buffer import Buffer
from .flit import DataKind, RequestKind, RequestLink

__all__ = ["ReadCommand", "StreamReader"]

ReadCommand = data.StructLayout({"channel": 4, "addr": 32, "words": 24})
"""`words` words from word address `addr` of memory channel `channel` (the row of its edge)."""


class StreamReader(wiring.Component):
    """Delivers the words of the commands in order, requesting ahead as far as its FIFO has room.

    A request is issued only when the FIFO has room for all its words besides those already requested, so replies
    always sink. A request never crosses a multiple of the chunk; a new one starts every four cycles at most. Replies
    of two channels could overtake each other, so a command for another channel waits until all earlier replies are
    there. One word per cycle is sustained as long as the round trip is shorter than ``depth`` minus one chunk.

    Parameters
    ----------
    depth: words of the FIFO, a power of two.
    chunk: longest request, a power of two; half the depth at most is used, so that one is always in flight.
    kind: `DataKind` of the replies.

    Members
    -------
    x, y: position of this node (where replies go).
    command: stream of `ReadCommand`, eight are queued; ``words`` = 0 does nothing.
    request: READ flits.
    fill: the replies' payloads, in order; always ready.
    o: the words. `latency` cycles from fill to o. Nothing but registers depends on ``o.ready``.
    """

    latency = 3

    def __init__(self, depth: int, chunk: int, kind: DataKind):
        for name, value in (("depth", depth), ("chunk", chunk)):
            if value < 2 or value & (value - 1):
                raise ValueError(f"{name}={value}, expected a power of two of at least 2 words")
        self._depth, self._chunk, self._kind = depth, min(chunk, depth // 2), kind
        super().__init__({
            "x": In(4), "y": In(4),
            "command": In(stream.Signature(ReadCommand)),
            "request": Out(RequestLink()),
            "fill": In(stream.Signature(WORD_BITS)),
            "o": Out(stream.Signature(WORD_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        room = Signal(range(self._depth + 1), init=self._depth)   # words neither stored nor requested
        requested = Signal(range(self._depth + 1))                # words on their way
        issue = Signal()
        popped = Signal()
        length = Signal(range(self._chunk + 1))
        reserved = Mux(issue, length, 0)
        m.d.sync += [room.eq(room + popped - reserved), requested.eq(requested + reserved - self.fill.valid)]
        self._requests(m, room, requested, issue, length)
        self._store(m, popped)
        return m

    def _requests(self, m, room, requested, issue, length):
        m.submodules.queue = queue = fifo.SyncFIFO(width=ReadCommand.size, depth=8)
        m.d.comb += [queue.w_data.eq(self.command.payload), queue.w_en.eq(self.command.valid),
                     self.command.ready.eq(queue.w_rdy)]
        command = Signal(ReadCommand)
        channel = Signal(4)   # of the words on their way
        enough = Signal()     # room for the request; a cycle old, but until it is reserved the room only grows
        m.d.sync += enough.eq(room >= length)
        to_boundary = Signal.like(length)
        m.d.comb += to_boundary.eq(self._chunk - command.addr[:self._chunk.bit_length() - 1])
        m.d.comb += [
            self.request.payload.kind.eq(RequestKind.READ), self.request.payload.reply.eq(self._kind),
            self.request.payload.x.eq(self.x), self.request.payload.y.eq(self.y),
            self.request.payload.row.eq(command.channel), self.request.payload.addr.eq(command.addr),
            self.request.payload.length.eq(length),
        ]
        with m.FSM(name="state"):
            with m.State("IDLE"):
                m.d.comb += queue.r_en.eq(1)
                m.d.sync += command.eq(queue.r_data)
                with m.If(queue.r_rdy):
                    m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += length.eq(Mux(command.words < to_boundary, command.words, to_boundary))
                m.next = "COMPARE"
                with m.If(command.words == 0):
                    m.next = "IDLE"
            with m.State("COMPARE"):
                m.next = "RESERVE"
            with m.State("RESERVE"):
                with m.If(enough & ((channel == command.channel) | (requested == 0))):
                    m.d.comb += issue.eq(1)
                    m.d.sync += channel.eq(command.channel)
                    m.next = "REQUEST"
            with m.State("REQUEST"):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.ready):
                    m.d.sync += [command.addr.eq(command.addr + length), command.words.eq(command.words - length)]
                    m.next = "SIZE"

    def _store(self, m, popped):
        m.submodules.store = store = BlockMemory(WORD_BITS, self._depth)
        write, read = store.write, store.read[0]
        m.d.comb += [self.fill.ready.eq(1), write.en.eq(self.fill.valid), write.data.eq(self.fill.payload)]
        stored = Signal(range(self._depth + 1))
        fetched = Signal()   # the memory's register holds a word
        # Its ready is a register: what the consumer decides late in its cycle must not reach the memory as well.
        m.submodules.leaving = leaving = Buffer(WORD_BITS)
        wiring.connect(m, leaving.o, wiring.flipped(self.o))
        m.d.comb += [leaving.i.valid.eq(fetched), leaving.i.payload.eq(read.data),
                     popped.eq((~fetched | leaving.i.ready) & (stored != 0)), read.en.eq(popped)]
        with m.If(self.fill.valid):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(popped):
            m.d.sync += [read.addr.eq(read.addr + 1), fetched.eq(1)]
        with m.Elif(leaving.i.ready):
            m.d.sync += fetched.eq(0)
        m.d.sync += stored.eq(stored + self.fill.valid - popped)
