"""A FIFO of whole words in block RAM."""

from amaranth.hdl import Module, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WordFifo"]


class WordFifo(wiring.Component):
    """Words in order, one a cycle; the memory's output has a register behind it.

    A word that is two words behind the output follows without a gap, however often the output moves.

    Parameters
    ----------
    shape: of a word.
    depth: words, a power of two.

    Members
    -------
    i, o: the streams; a word offered in cycle t is seen at the output of an empty FIFO in t + `latency`.
    """

    latency = 3

    def __init__(self, shape, depth: int):
        if depth < 2 or depth & (depth - 1):
            raise ValueError(f"depth={depth}, expected a power of two of at least 2 words")
        self._shape, self._depth = shape, depth
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        # No word is read in the cycle in which it is written. Without the attribute, what would be seen then costs a
        # register and a multiplexer a bit; it holds for a port that is synchronous by the register behind it.
        m.submodules.words = words = memory.Memory(shape=self._shape, depth=self._depth, init=[],
                                                   attrs={"ram_style": "block", "no_rw_check": 1})
        write, read = words.write_port(), words.read_port(domain="comb")
        word = Signal(self._shape, reset_less=True)
        head, tail = Signal(range(2 * self._depth)), Signal(range(2 * self._depth))
        waiting, fetched, fetch, move = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq((head ^ tail) != self._depth),
            write.en.eq(self.i.valid & self.i.ready), write.addr.eq(head), write.data.eq(self.i.payload),
            waiting.eq(head != tail), move.eq(~self.o.valid | self.o.ready), fetch.eq(~fetched | move),
            read.addr.eq(tail),
        ]
        m.d.sync += head.eq(head + write.en)
        with m.If(fetch):
            m.d.sync += [word.eq(read.data), fetched.eq(waiting), tail.eq(tail + waiting)]
        with m.If(move):
            m.d.sync += [self.o.valid.eq(fetched), self.o.payload.eq(word)]
        return m
