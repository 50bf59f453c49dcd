"""Prefetching reader: turns long read commands into chunked requests and buffers the replies."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from .flit import DataKind, RequestLink
from .requester import ReadCommand, Requester
from .word_rings import WordRings

__all__ = ["StreamReader"]

AHEAD = 4
"""Chunks of prefetched words on their way at once: enough for a node that has a channel to itself, and few enough for
an urgent read not to find long queues. docs/reference/mesh.md#urgent-reads."""


class StreamReader(wiring.Component):
    """Delivers the words of commands in order, requesting ahead as far as there is room; see `Requester`.

    A reader for two kinds has a FIFO, and commands, for each: words of the second, *urgent* one can be had while those
    of the first wait, prefetched. Replies always sink. One word per cycle is sustained as long as the round trip is
    shorter than the depth minus one chunk, and than `AHEAD` chunks minus one where there are two FIFOs.

    Parameters
    ----------
    depth: words of the memory, a power of two. The urgent FIFO has a quarter of them.
    chunk: longest request, a power of two.
    kinds: `DataKind` of the replies, one or two.
    queued: commands of each kind that wait; see `Requester`.
    late, keeps: see `WordRings`.

    Members
    -------
    x, y: position of this node (where replies go).
    command: streams of `ReadCommand`, one a kind.
    request: READ flits, one stream a kind.
    fill: the replies' payloads, in order, one stream a kind, at most one word a cycle in all; always ready.
    select: whose words ``o`` gives. It may change only while ``o.ready`` is low: what is offered is then withdrawn.
    used, turned: see `WordRings`; with ``keeps``.
    drop, empty: see `Requester`; with one kind.
    o: the words. `latency` cycles from fill to o.
    """

    def __init__(self, depth: int, chunk: int, kinds: tuple[DataKind, ...], queued: tuple[int, ...],
                 late: bool = True, keeps: bool = False):
        for name, value in (("depth", depth), ("chunk", chunk)):
            if value < 2 or value & (value - 1):
                raise ValueError(f"{name}={value}, expected a power of two of at least 2 words")
        self._depths = (depth,) if len(kinds) == 1 else (3 * depth // 4, depth // 4)
        self._chunk, self._kinds, self._queued, self._late, self._keeps = chunk, kinds, queued, late, keeps
        super().__init__({
            **({"used": In(1), "turned": Out(1)} if keeps else {}),
            **({"drop": In(1), "empty": Out(1)} if len(kinds) == 1 else {}),
            "x": In(4), "y": In(4),
            "command": In(stream.Signature(ReadCommand)).array(len(kinds)),
            "request": Out(RequestLink()).array(len(kinds)),
            "fill": In(stream.Signature(WORD_BITS)).array(len(kinds)),
            "select": In(1),
            "o": Out(stream.Signature(WORD_BITS)),
        })

    @property
    def latency(self) -> int:
        return 2 + self._late

    @property
    def kinds(self) -> tuple[DataKind, ...]:
        """Of the words, in the order of the streams."""
        return self._kinds

    def elaborate(self, platform):
        m = Module()
        m.submodules.rings = rings = WordRings(self._depths, self._late, self._keeps)
        wiring.connect(m, rings.o, wiring.flipped(self.o))
        m.d.comb += rings.select.eq(self.select)
        if self._keeps:
            m.d.comb += [rings.used.eq(self.used), self.turned.eq(rings.turned)]
        for index, kind in enumerate(self._kinds):
            prefetched = len(self._kinds) > 1 and index == 0
            requester = Requester(self._depths[index], self._chunk, kind, self._queued[index],
                                  AHEAD * self._chunk if prefetched else None)
            m.submodules[f"requester{index}"] = requester
            if len(self._kinds) == 1:
                m.d.comb += [requester.drop.eq(self.drop), self.empty.eq(requester.empty)]
            wiring.connect(m, wiring.flipped(self.command[index]), requester.command)
            wiring.connect(m, requester.request, wiring.flipped(self.request[index]))
            fill = self.fill[index]
            m.d.comb += [requester.x.eq(self.x), requester.y.eq(self.y), fill.ready.eq(1),
                         requester.arrived.eq(fill.valid), requester.freed.eq(rings.freed[index]),
                         rings.write[index].eq(fill.valid)]
            with m.If(fill.valid):
                m.d.comb += rings.word.eq(fill.payload)
        return m
