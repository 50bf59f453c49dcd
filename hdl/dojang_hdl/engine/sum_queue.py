"""Sums of units on their way to the serializer."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..isa import CONTEXT_BITS
from .formats import DOT, SPREAD

__all__ = ["SumQueue"]

GROUPS = 2
"""Products whose factors the serializer has room for."""

LEAST = 32
"""Units there is room for, those in the lanes included; with more rows, all of a product."""


class SumQueue(wiring.Component):
    """Takes a unit per cycle and gives one every ``lanes`` cycles, so that a product's last pass is as fast as others;
    those of the last product every ``spread`` cycles, and those of a few rows so that none comes again too soon.

    A unit leaves when its factors are there: the scale stream is waited for here, not in front of the lanes.

    Whoever issues units asks here before their sums exist: room is reserved from the last step on.

    Parameters
    ----------
    lanes, contexts: rows of a unit; vectors it has room for.
    acc_rows: most rows, a power of two.
    turnaround: fewest cycles from a row to the same row of the next product.

    Members
    -------
    start: pulse while idle; the four fields below must stay until the last unit has left.
    rows, contexts, products: rows, a multiple of 4; active contexts less one; not 0.
    spread: fewest cycles from unit to unit at ``o``, ``lanes`` or more.
    room: a unit's last step may be decided on in this cycle.
    reserve: pulse in the cycle after ``room``: it was.
    place: a product's last pass may be decided on in this cycle.
    begins: pulse in the cycle after ``place``: it was; products begin four cycles apart at least.
    i_valid, i: a unit's sums, context after context; reserved before.
    factors: those of the oldest unit are there.
    starved: a unit could leave but for its factors.
    pop, final: the oldest unit leaves; it is its product's last.
    o_valid, o: that unit, ``lead`` cycles after ``pop``.
    """

    lead = 2
    """Reading the memory, and the register behind it."""

    latency = 1 + lead
    """From ``i_valid`` to ``o_valid`` while nothing waits."""

    place_latency = 2
    """From a product's last ``pop`` to ``place``."""

    def __init__(self, lanes: int, contexts: int, acc_rows: int, turnaround: int):
        self._turnaround = turnaround
        self._lanes, self._contexts, self._units = lanes, contexts, acc_rows // lanes
        self._depth = max(LEAST, self._units)
        super().__init__({
            "start": In(1), "rows": In(16), "contexts": In(CONTEXT_BITS), "products": In(16),
            "spread": In(SPREAD),
            "room": Out(1), "reserve": In(1), "place": Out(1), "begins": In(1),
            "i_valid": In(1), "i": In(DOT).array(contexts, lanes),
            "factors": In(1), "starved": Out(1), "pop": Out(1), "final": Out(1),
            "o_valid": Out(1), "o": Out(DOT).array(contexts, lanes),
        })

    def elaborate(self, platform):
        m = Module()
        unit, last = Signal(range(self._units)), Signal(range(self._units))
        stored, some, gap = Signal(range(self._depth + 1)), Signal(), Signal(SPREAD)
        free, groups = Signal(range(self._depth + 1)), Signal(range(GROUPS + 1))
        left, last_product = Signal(16), Signal()
        pause, last_pause = Signal(SPREAD), Signal(SPREAD)
        leaves = some & (gap == 0)
        m.d.comb += [self.pop.eq(leaves & self.factors), self.starved.eq(leaves & ~self.factors),
                     self.final.eq(unit == last)]
        ended = self.pop & self.final
        more, fewer = (Signal.like(stored, name=name) for name in ("more", "fewer"))
        m.d.comb += [more.eq(stored + self.i_valid), fewer.eq(stored + self.i_valid - 1)]
        m.d.sync += [
            # Counted both ways, as it is late that a unit leaves.
            stored.eq(Mux(self.pop, fewer, more)), some.eq(Mux(self.pop, fewer != 0, more != 0)),
            free.eq(Mux(self.pop, free + 1 - self.reserve, free - self.reserve)),
            groups.eq(groups + self.begins - ended),
            # Two more units may have been decided on since, and this is the third; products do not begin as close.
            self.room.eq(free > 2), self.place.eq((groups != GROUPS) & ~self.begins),
        ]
        with m.If(self.pop):
            m.d.sync += [gap.eq(Mux(last_product, last_pause, pause)), unit.eq(Mux(self.final, 0, unit + 1))]
        with m.Elif(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        m.d.sync += [left.eq(left - ended), last_product.eq(left == Mux(ended, 2, 1))]
        # After scales that were late, sums of several products wait here.
        m.d.sync += [pause.eq(self._lanes - 1),
                     last_pause.eq(Mux(self.spread - 1 < pause, pause, self.spread - 1))]
        for rows in range(4, self._turnaround, 4):
            with m.If(self.rows == rows):
                m.d.sync += pause.eq(max(self._lanes, -(-self._turnaround * self._lanes // rows)) - 1)
        with m.If(self.start):
            m.d.sync += left.eq(self.products)
            m.d.sync += [unit.eq(0), last.eq((self.rows >> ceil_log2(self._lanes)) - 1),
                         stored.eq(0), some.eq(0), gap.eq(0), free.eq(self._depth), groups.eq(0)]

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
