"""Keeps words back until their block is found right."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS

__all__ = ["Store"]

_ON_THEIR_WAY = 8
"""Words that may still come when so few places are left; two of them until ``room`` has fallen."""


class Store(wiring.Component):
    """A queue that can forget what was put in last. One word a cycle.

    Parameters
    ----------
    depth: words, a power of two; twice the largest block, so that one leaves while the next comes.

    Members
    -------
    word, en: a word is put in. mark: with the last word of a block, or after it.
    commit: all up to the last mark may leave. rollback: all that may not is forgotten.
    room: there is room for the words on their way.
    o: the words, 3 cycles after their commit.
    """

    def __init__(self, depth: int):
        self._depth = depth
        super().__init__({
            "word": In(WORD_BITS), "en": In(1), "mark": In(1), "commit": In(1), "rollback": In(1), "room": Out(1),
            "o": Out(stream.Signature(WORD_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.words = words = BlockMemory(WORD_BITS, self._depth)
        # A word is fetched after its commit, hence after it was written.
        store, fetch = words.write, words.read[0]
        put, marked, committed, taken = (Signal(range(2 * self._depth), name=name)
                                         for name in ("put", "marked", "committed", "taken"))
        next_put = Signal.like(put)
        fetched, go, leave = Signal(), Signal(), Signal()
        index = slice(0, len(put) - 1)
        m.d.comb += [
            store.en.eq(self.en), store.addr.eq(put[index]), store.data.eq(self.word), next_put.eq(put + self.en),
            leave.eq(~self.o.valid | self.o.ready), go.eq((~fetched | leave) & (committed != taken)),
            fetch.en.eq(go), fetch.addr.eq(taken[index]),
        ]
        used = Signal.like(put)
        m.d.comb += used.eq(put - taken)
        m.d.sync += [put.eq(next_put), taken.eq(taken + go), self.room.eq(used <= self._depth - _ON_THEIR_WAY)]
        with m.If(self.mark):
            m.d.sync += marked.eq(next_put)
        with m.If(self.commit):
            m.d.sync += committed.eq(marked)
        with m.If(self.rollback):
            m.d.sync += put.eq(committed)
        with m.If(go):
            m.d.sync += fetched.eq(1)
        with m.Elif(leave):
            m.d.sync += fetched.eq(0)
        with m.If(leave):
            m.d.sync += [self.o.valid.eq(fetched), self.o.payload.eq(fetch.data)]
        return m
