"""Sums of units on their way to the serializer."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from .formats import DOT
from .scales import QUEUE

__all__ = ["SumQueue", "queued_units"]

GROUPS = 2
"""Products whose factors the serializer has room for."""


def queued_units(lanes: int, acc_rows: int) -> int:
    """Units between a last step and the serializer: all of a product, and those in the lanes."""
    return max(2 * QUEUE, acc_rows // lanes)


class SumQueue(wiring.Component):
    """Takes a unit per cycle and gives one every ``spread`` cycles, so that a product's last pass is as fast as others.

    Whoever issues units asks here before their sums exist: room is reserved from the last step on.

    Parameters
    ----------
    lanes, contexts: rows of a unit; vectors it has room for.
    acc_rows: most rows, a power of two.

    Members
    -------
    start: pulse while idle; the three fields below must stay until the last unit has left.
    rows, contexts: rows, a multiple of 4; active contexts less one.
    spread: fewest cycles from unit to unit at ``o``, not 0.
    room: a unit's last step may be taken in this cycle.
    reserve: pulse with ``room``: it is.
    place: a product's last pass may begin in this cycle.
    begins: pulse with ``place``: it does.
    i_valid, i: a unit's sums, context after context; reserved before.
    pop, final: the oldest unit leaves; it is its product's last.
    o_valid, o: that unit, ``lead`` cycles after ``pop``.
    """

    lead = 2
    """Reading the memory, and the register behind it."""

    latency = 1 + lead
    """From ``i_valid`` to ``o_valid`` while nothing waits."""

    place_latency = 2
    """From a product's last ``pop`` to ``place``."""

    def __init__(self, lanes: int, contexts: int, acc_rows: int):
        self._lanes, self._contexts, self._units = lanes, contexts, acc_rows // lanes
        self._depth = queued_units(lanes, acc_rows)
        super().__init__({
            "start": In(1), "rows": In(16), "contexts": In(3), "spread": In(4),
            "room": Out(1), "reserve": In(1), "place": Out(1), "begins": In(1),
            "i_valid": In(1), "i": In(DOT).array(contexts, lanes), "pop": Out(1), "final": Out(1),
            "o_valid": Out(1), "o": Out(DOT).array(contexts, lanes),
        })

    def elaborate(self, platform):
        m = Module()
        unit, last = Signal(range(self._units)), Signal(range(self._units))
        stored, gap = Signal(range(self._depth + 1)), Signal(4)
        free, groups = Signal(range(self._depth + 1)), Signal(range(GROUPS + 1))
        m.d.comb += [self.pop.eq((stored != 0) & (gap == 0)), self.final.eq(unit == last)]
        ended = self.pop & self.final
        m.d.sync += [
            stored.eq(stored + self.i_valid - self.pop), free.eq(free + self.pop - self.reserve),
            groups.eq(groups + self.begins - ended),
            # Two more units may have been decided on since, and this is the third; products do not begin as close.
            self.room.eq(free > 2), self.place.eq((groups != GROUPS) & ~self.begins),
        ]
        with m.If(self.pop):
            m.d.sync += [gap.eq(self.spread - 1), unit.eq(Mux(self.final, 0, unit + 1))]
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        with m.If(self.start):
            m.d.sync += [unit.eq(0), last.eq((self.rows >> ceil_log2(self._lanes)) - 1), stored.eq(0), gap.eq(0),
                         free.eq(self._depth), groups.eq(0)]

        newest, oldest = Signal(range(self._depth)), Signal(range(self._depth))
        with m.If(self.i_valid):
            m.d.sync += newest.eq(newest + 1)
        with m.If(self.pop):
            m.d.sync += oldest.eq(oldest + 1)
        pipe = Pipeline(m, self.pop)
        for _ in range(self.lead):
            pipe.stage()
        m.d.comb += self.o_valid.eq(pipe.valid)
        read = Signal()
        m.d.sync += read.eq(self.pop)
        for c in range(self._contexts):
            active = self.contexts >= c
            m.submodules[f"memory{c}"] = memory = BlockMemory(DOT.width * self._lanes, self._depth)
            m.d.comb += [
                memory.write.addr.eq(newest), memory.write.data.eq(Cat(self.i[c])),
                memory.write.en.eq(self.i_valid & active),
                memory.read[0].addr.eq(oldest), memory.read[0].en.eq(self.pop & active),
            ]
            with m.If(read & active):
                m.d.sync += Cat(self.o[c]).eq(memory.read[0].data)
        return m
