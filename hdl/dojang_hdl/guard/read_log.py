"""Remembers where the reads on their way are."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["PLACE", "ReadLog"]

PLACE = slice(8, 20)
"""Bits of an address: the same 256 words, and those a multiple of 2^20 words away, which are few, are one place. A
command touches two places at most.
"""

_ENTRY = slice(PLACE.start, PLACE.start + 6)
"""Bits of an address that choose an entry."""

_COUNT_BITS = 8


class ReadLog(wiring.Component):
    """The number of the last read that touched each place; places that are alike in six bits have one entry.

    Reads are done in the order in which they are taken, 16 at most are on their way. Their number has 8 bits: one from
    long ago, or from before a reset, may be taken for one on its way, until this is done; never the other way round.

    Members
    -------
    read: a read of the words from ``first`` to ``last`` is taken (strobe), three cycles after the one before at the
        earliest. done: the oldest one on its way is done (strobe).
    look: what is asked for is whether a read near ``addr`` is on its way, of those that had been taken three cycles
        before (strobe).
    clear: none is, or it is done by now; from 2 cycles after ``look`` until the next one.
    """

    read: In(1)
    first: In(PLACE.stop)
    last: In(PLACE.stop)
    done: In(1)
    look: In(1)
    addr: In(PLACE.stop)
    clear: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.table = table = memory.Memory(shape=_COUNT_BITS, depth=1 << _ENTRY.stop - _ENTRY.start, init=[])
        put, get = table.write_port(), table.read_port(domain="comb")
        taken, done, number = (Signal(_COUNT_BITS, name=name) for name in ("taken", "done", "number"))
        age, on_their_way = Signal(_COUNT_BITS), Signal(_COUNT_BITS)
        second, last = Signal(), Signal.like(put.addr)
        m.d.comb += [
            put.addr.eq(Mux(second, last, self.first[_ENTRY])), put.en.eq(self.read | second),
            put.data.eq(taken + self.read), get.addr.eq(self.addr[_ENTRY]),
            age.eq(taken - number), on_their_way.eq(taken - done),
        ]
        m.d.sync += [taken.eq(taken + self.read), done.eq(done + self.done), second.eq(self.read),
                     self.clear.eq(age >= on_their_way)]
        with m.If(self.read):
            m.d.sync += last.eq(self.last[_ENTRY])
        with m.If(self.look):
            m.d.sync += number.eq(get.data)
        return m
