"""FIFOs of words in one block memory, of which one is read at a time."""

from amaranth.hdl import Array, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS
from ..streams.buffer import Buffer

__all__ = ["WordRings"]


class WordRings(wiring.Component):
    """``o`` gives the words of the selected ring in order, one per cycle; the others wait where they are.

    Words that were fetched for ``o`` but not taken go back to their ring, that is, their places have not been given
    away. So ``o`` withdraws what it offers when ``select`` changes: that is only allowed while nobody takes words, and
    begins to offer the other ring's three cycles later. A consumer that ``keeps`` words it has taken before it needs
    them may take some then: it forgets in the cycle of ``turned`` what it has not used, and is given it again.

    Parameters
    ----------
    depths: words of every ring, one or two; together a power of two.
    keeps: the consumer takes words ahead.
    late: ``o.ready`` comes late in its cycle, so that only registers may depend on it. It costs a `Buffer`; else it
        reaches the memory in the same cycle, and `latency` is one less.

    Members
    -------
    write, word: to which ring the word goes, one bit each, at most one of them set; the master sees to it that there is
        room.
    select: number of the ring that is read.
    used: with ``keeps``: a word more of those taken is needed no more, not in the cycle in which ``select`` changes.
    turned: with ``keeps``: ``select`` has changed.
    freed: the place of a word is free again, one bit for each ring.
    o: the words. `latency` cycles from ``write`` to ``o``.
    """

    def __init__(self, depths: tuple[int, ...], late: bool = True, keeps: bool = False):
        self._depths, self._late, self._keeps = depths, late, keeps
        super().__init__({
            **({"used": In(1), "turned": Out(1)} if keeps else {}),
            "write": In(len(depths)), "word": In(WORD_BITS), "select": In(range(max(len(depths), 2))),
            "freed": Out(len(depths)), "o": Out(stream.Signature(WORD_BITS)),
        })

    @property
    def latency(self) -> int:
        return 2 + self._late

    def elaborate(self, platform):
        m = Module()
        depth = sum(self._depths)
        m.submodules.memory = memory = BlockMemory(WORD_BITS, depth)
        rings = range(len(self._depths))
        firsts = [sum(self._depths[:ring]) for ring in rings]
        place = Signal(range(depth))
        newest, oldest = ([Signal.like(place, name=f"{name}{ring}", init=firsts[ring]) for ring in rings]
                          for name in ("newest", "oldest"))
        level = Array(Signal(range(size + 1), name=f"level{ring}") for ring, size in enumerate(self._depths))

        def after(at, ring):
            return Mux(at == firsts[ring] + self._depths[ring] - 1, firsts[ring], at + 1)

        current, turned = Signal.like(self.select), Signal()
        fetch, left = Signal.like(place), Signal(range(depth + 1))   # of the present ring: what is still to be fetched
        fetched, popped, taken = Signal(), Signal(), Signal()
        o = wiring.flipped(self.o)
        leaving = o
        if self._late:
            leaving_buffer = Buffer(WORD_BITS)
            m.submodules.leaving = ResetInserter(turned)(leaving_buffer) if len(rings) > 1 else leaving_buffer
            wiring.connect(m, leaving_buffer.o, o)
            leaving = leaving_buffer.i
        write, read = memory.write, memory.read[0]
        m.d.comb += [
            turned.eq(self.select != current) if len(rings) > 1 else turned.eq(0),
            write.en.eq(self.write.any()), write.data.eq(self.word), read.addr.eq(fetch), read.en.eq(popped),
            leaving.valid.eq(fetched), leaving.payload.eq(read.data),
            popped.eq((~fetched | leaving.ready) & (left != 0)),
        ]
        m.d.sync += taken.eq(self.used if self._keeps else self.o.valid & self.o.ready)
        if self._keeps:
            m.d.comb += self.turned.eq(turned)
        for ring in rings:
            m.d.comb += self.freed[ring].eq(taken & (current == ring))
            m.d.sync += level[ring].eq(level[ring] + self.write[ring] - self.freed[ring])
            with m.If(self.write[ring]):
                m.d.comb += write.addr.eq(newest[ring])
                m.d.sync += newest[ring].eq(after(newest[ring], ring))
            with m.If(self.freed[ring]):
                m.d.sync += oldest[ring].eq(after(oldest[ring], ring))
            with m.If((current == ring) & popped):
                m.d.sync += fetch.eq(after(fetch, ring))
        m.d.sync += left.eq(left + self.write.bit_select(current, 1) - popped)
        with m.If(popped):
            m.d.sync += fetched.eq(1)
        with m.Elif(leaving.ready):
            m.d.sync += fetched.eq(0)
        with m.If(turned):
            m.d.sync += [current.eq(self.select), fetched.eq(0), fetch.eq(Array(oldest)[self.select]),
                         left.eq(level[self.select] + self.write.bit_select(self.select, 1))]
        return m
