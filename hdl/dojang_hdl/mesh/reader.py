"""Prefetching reader: turns long read commands into chunked requests and buffers the replies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
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
    queued: commands that wait, 0 or a power of two; without a queue a command is accepted when the one before is done.
    late: ``o.ready`` comes late in its cycle, so that only registers may depend on it. It costs a `Buffer`; else it
        reaches the FIFO's memory in the same cycle, and `latency` is one less.

    Members
    -------
    x, y: position of this node (where replies go).
    command: stream of `ReadCommand`; ``words`` = 0 does nothing.
    request: READ flits.
    fill: the replies' payloads, in order; always ready.
    o: the words. `latency` cycles from fill to o.
    """

    def __init__(self, depth: int, chunk: int, kind: DataKind, queued: int = 8, late: bool = True):
        for name, value in (("depth", depth), ("chunk", chunk)):
            if value < 2 or value & (value - 1):
                raise ValueError(f"{name}={value}, expected a power of two of at least 2 words")
        self._depth, self._chunk, self._kind = depth, min(chunk, depth // 2), kind
        self._queued, self._late = queued, late
        super().__init__({
            "x": In(4), "y": In(4),
            "command": In(stream.Signature(ReadCommand)),
            "request": Out(RequestLink()),
            "fill": In(stream.Signature(WORD_BITS)),
            "o": Out(stream.Signature(WORD_BITS)),
        })

    @property
    def latency(self) -> int:
        return 2 + self._late

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
        following = self.command
        if self._queued:
            m.submodules.queue = queue = fifo.SyncFIFO(width=ReadCommand.size, depth=self._queued)
            wiring.connect(m, wiring.flipped(self.command), queue.w_stream)
            following = queue.r_stream
        command = Signal(ReadCommand)
        channel = Signal(4)   # of the words on their way
        enough = Signal()     # room for the request; a cycle old, but until it is reserved the room only grows
        m.d.sync += enough.eq(room >= length)
        to_boundary, short = Signal.like(length), Signal()
        low = self._chunk.bit_length() - 1   # bits of an address inside its chunk
        m.d.comb += [
            to_boundary.eq(self._chunk - command.addr[:low]),
            short.eq(~command.words[low + 1:].any() & (command.words[:low + 1] < to_boundary)),
        ]
        m.d.comb += [
            self.request.payload.kind.eq(RequestKind.READ), self.request.payload.reply.eq(self._kind),
            self.request.payload.x.eq(self.x), self.request.payload.y.eq(self.y),
            self.request.payload.row.eq(command.channel), self.request.payload.addr.eq(command.addr),
            self.request.payload.length.eq(length),
        ]
        with m.FSM(name="state"):
            with m.State("IDLE"):
                m.d.comb += following.ready.eq(1)
                m.d.sync += command.eq(following.payload)
                with m.If(following.valid):
                    m.next = "SIZE"
            with m.State("SIZE"):
                m.d.sync += length.eq(Mux(short, command.words, to_boundary))
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
                    # What remains begins at a multiple of the chunk.
                    m.d.sync += [command.addr.eq(Cat(Const(0, low), command.addr[low:] + 1)),
                                 command.words.eq(command.words - length)]
                    m.next = "SIZE"

    def _store(self, m, popped):
        m.submodules.store = store = BlockMemory(WORD_BITS, self._depth)
        write, read = store.write, store.read[0]
        m.d.comb += [self.fill.ready.eq(1), write.en.eq(self.fill.valid), write.data.eq(self.fill.payload)]
        stored = Signal(range(self._depth + 1))
        fetched = Signal()   # the memory's register holds a word
        o = wiring.flipped(self.o)
        leaving = o
        if self._late:
            m.submodules.leaving = buffer = Buffer(WORD_BITS)
            wiring.connect(m, buffer.o, o)
            leaving = buffer.i
        m.d.comb += [leaving.valid.eq(fetched), leaving.payload.eq(read.data),
                     popped.eq((~fetched | leaving.ready) & (stored != 0)), read.en.eq(popped)]
        with m.If(self.fill.valid):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(popped):
            m.d.sync += [read.addr.eq(read.addr + 1), fetched.eq(1)]
        with m.Elif(leaving.ready):
            m.d.sync += fetched.eq(0)
        m.d.sync += stored.eq(stored + self.fill.valid - popped)
