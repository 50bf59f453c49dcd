"""Turns long read commands into chunked requests, as far as there is room for the replies."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from .flit import DataKind, RequestKind, RequestLink

__all__ = ["ReadCommand", "Requester"]

ReadCommand = data.StructLayout({"channel": 4, "addr": 32, "words": 24})
"""`words` words from word address `addr` of memory channel `channel` (the row of its edge)."""


class Requester(wiring.Component):
    """Requests the words of the commands in order, each request only when there is room for all its words.

    A request never crosses a multiple of the chunk; a new one starts every four cycles at most. Replies of two channels
    could overtake each other, so a command for another channel waits until all earlier replies are there.

    Parameters
    ----------
    depth: words that the replies have room for.
    chunk: longest request, a power of two; half the depth at most is used, so that one is always in flight.
    kind: `DataKind` of the replies.
    queued: commands that wait, 0 or a power of two; without a queue a command is accepted when the one before is done.
    ahead: words that may be on their way at once.

    Members
    -------
    x, y: position of this node (where replies go).
    command: stream of `ReadCommand`; ``words`` = 0 does nothing.
    request: READ flits.
    arrived, freed: a word has come; the place of one is free again.
    drop: what has not been requested yet of the command at work no longer will be.
    empty: no command is at work, and no word is on its way or there.
    """

    def __init__(self, depth: int, chunk: int, kind: DataKind, queued: int = 8, ahead: int | None = None):
        half = 1 << (depth // 2).bit_length() - 1
        self._depth, self._chunk, self._kind, self._queued = depth, min(chunk, half), kind, queued
        self._ahead = min(ahead or depth, depth)
        super().__init__({
            "x": In(4), "y": In(4),
            "command": In(stream.Signature(ReadCommand)),
            "request": Out(RequestLink()),
            "arrived": In(1), "freed": In(1), "drop": In(1), "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        following = self.command
        if self._queued:
            m.submodules.queue = queue = fifo.SyncFIFO(width=ReadCommand.size, depth=self._queued)
            wiring.connect(m, wiring.flipped(self.command), queue.w_stream)
            following = queue.r_stream
        room = Signal(range(self._depth + 1), init=self._depth)   # words neither there nor requested
        requested = Signal(range(self._depth + 1))                # words on their way
        command, length = Signal(ReadCommand), Signal(range(self._chunk + 1))
        channel = Signal(4)   # of the words on their way
        issue, enough = Signal(), Signal()
        reserved = Mux(issue, length, 0)
        m.d.sync += [
            room.eq(room + self.freed - reserved), requested.eq(requested + reserved - self.arrived),
            # A cycle old; but until the words are reserved there is only more room, and less on its way.
            enough.eq((room >= length) & (requested + length <= self._ahead)),
        ]
        to_boundary, short = Signal.like(length), Signal()
        low = self._chunk.bit_length() - 1   # bits of an address inside its chunk
        m.d.comb += [
            to_boundary.eq(self._chunk - command.addr[:low]),
            short.eq(~command.words[low + 1:].any() & (command.words[:low + 1] < to_boundary)),
            self.request.payload.kind.eq(RequestKind.READ), self.request.payload.reply.eq(self._kind),
            self.request.payload.x.eq(self.x), self.request.payload.y.eq(self.y),
            self.request.payload.row.eq(command.channel), self.request.payload.addr.eq(command.addr),
            self.request.payload.length.eq(length),
        ]
        with m.FSM(name="state") as state:
            m.d.sync += self.empty.eq(state.ongoing("IDLE") & ~following.valid & (room == self._depth))
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
                with m.If(self.drop):
                    m.next = "IDLE"
                with m.Elif(enough & ((channel == command.channel) | (requested == 0))):
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
        return m
