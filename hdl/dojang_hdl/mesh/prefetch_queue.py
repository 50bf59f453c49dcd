"""Where requests that only prefetch wait, at an edge, and the others pass."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from .flit import DataKind, RequestFlit, RequestKind, RequestLink

__all__ = ["PREFETCHED", "PrefetchQueue"]

PREFETCHED = (DataKind.PLANES, DataKind.SCALES)
"""Kinds of words that are read long before they are needed."""

URGENT = (DataKind.URGENT_PLANES, DataKind.URGENT_SCALES)
"""Kinds of words of which more are read as soon as some have come."""

_FIELDS = ("x", "y", "addr", "length", "reply")
_Header = data.StructLayout({name: RequestFlit.members[name] for name in _FIELDS})


class PrefetchQueue(wiring.Component):
    """Holds READs of prefetched words back until the memory has little to read and takes nothing else, which passes at
    once.

    The order of the READs that are held back is kept, and that of everything else. Prefetched words must be such as
    nobody writes, and have neither reply address nor tag. After ``patience`` cycles one is let through whatever the
    memory has to do.

    Parameters
    ----------
    depth: READs that can be held back. When there is no room, everything waits.
    window: words the memory may still have to read when one is let through. narrow: the same up to ``calm`` cycles
        after a READ for `URGENT` words or a WRITE: others are to be expected, and a guard reads what a WRITE changes.

    Members
    -------
    i, o: request links.
    returned: the memory has given a word.
    """

    def __init__(self, depth: int, window: int, narrow: int, calm: int, patience: int):
        self._depth, self._patience = depth, patience
        self._window, self._narrow, self._calm = window, narrow, calm
        super().__init__({"i": In(RequestLink()), "o": Out(RequestLink()), "returned": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=_Header.size, depth=self._depth)
        entry, held = data.View(_Header, queue.w_data), data.View(_Header, queue.r_data)
        flit, o = self.i.payload, self.o.payload
        prefetch, turn, room = Signal(), Signal(), Signal()
        little, impatient, passing = Signal(), Signal(), Signal()
        reading = Signal(16)                                  # words the memory still has to give
        waited = Signal(range(self._patience + 1))
        since = Signal(2)                                     # cycles since a READ left, 3 or more
        calm = Signal(range(self._calm + 1), init=self._calm)   # cycles without a READ for urgent words, or a WRITE
        leaves = self.o.valid & self.o.ready
        read = leaves & (o.kind == RequestKind.READ)
        m.d.comb += [
            prefetch.eq((flit.kind == RequestKind.READ) & _any_of(flit.reply, PREFETCHED)),
            *(entry[name].eq(flit[name]) for name in _FIELDS),
            # All wait for all, so that ready depends on registers only.
            self.i.ready.eq(self.o.ready & room & ~turn),
            queue.w_en.eq(self.i.valid & self.i.ready & prefetch), queue.r_en.eq(turn & self.o.ready),
            self.o.valid.eq(turn | self.i.valid & room & ~prefetch),
            o.eq(flit),
            passing.eq(self.i.valid & room & ~prefetch & self.o.ready),
        ]
        with m.If(turn):
            m.d.comb += [o.kind.eq(RequestKind.READ), *(o[name].eq(held[name]) for name in _FIELDS)]
        m.d.sync += [
            reading.eq(reading + Mux(read, o.length, 0) - self.returned),
            little.eq(reading <= Mux(calm == self._calm, self._window, self._narrow)),
            impatient.eq(waited == self._patience),
        ]
        with m.If(read & _any_of(o.reply, URGENT) | leaves & (o.kind == RequestKind.WRITE)):
            m.d.sync += calm.eq(0)
        with m.Elif(calm != self._calm):
            m.d.sync += calm.eq(calm + 1)
        with m.If(read):
            m.d.sync += since.eq(0)
        with m.Elif(~since.all()):
            m.d.sync += since.eq(since + 1)
        # An offer stays. `little` does not know yet of a READ that has just left.
        with m.If(~self.o.valid | self.o.ready):
            m.d.sync += [turn.eq(queue.r_rdy & ~turn & (little & since.all() & ~read & ~passing | impatient)),
                         room.eq(queue.w_level < self._depth - 1)]
        with m.If(turn | ~queue.r_rdy):
            m.d.sync += waited.eq(0)
        with m.Elif(waited != self._patience):
            m.d.sync += waited.eq(waited + 1)
        return m


def _any_of(value, kinds):
    found = value == kinds[0]
    for kind in kinds[1:]:
        found |= value == kind
    return found
