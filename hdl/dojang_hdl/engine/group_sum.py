"""Sums over the blocks of a group."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..isa import CONTEXT_BITS
from .formats import DOT

__all__ = ["GroupSum"]


class GroupSum(wiring.Component):
    """Adds the dot products of each unit of rows over the blocks of a group; a unit per cycle.

    A unit must not come again within ``turnaround`` cycles. The sum of a group of one block is its dot product; it
    leaves the memory alone.

    Parameters
    ----------
    lanes, contexts: rows of a unit; vectors it has room for.
    acc_rows: rows it has room for, a power of two.

    Members
    -------
    start: pulse while idle; the two fields below must stay while units come.
    rows, contexts: rows, a multiple of 4; active contexts less one.
    ahead: pulse ``lead`` cycles before the dot products of the next unit, first to last, then again from the first.
    fresh, completes: with ``ahead``: the unit's first block of a group, its last one.
    dots: of a unit, context after context.
    o_valid: pulse ``latency`` cycles after the dot products of a group's last block.
    o: their sums.
    """

    lead = 2
    """Reading the memory, and the register behind it."""

    latency = 1
    turnaround = lead + latency + 1

    def __init__(self, lanes: int, contexts: int, acc_rows: int):
        self._lanes, self._contexts, self._units = lanes, contexts, acc_rows // lanes
        super().__init__({
            "start": In(1), "rows": In(16), "contexts": In(CONTEXT_BITS),
            "ahead": In(1), "fresh": In(1), "completes": In(1),
            "dots": In(DOT).array(contexts, lanes), "o_valid": Out(1), "o": Out(DOT).array(contexts, lanes),
        })

    def elaborate(self, platform):
        m = Module()
        unit, last = Signal(range(self._units)), Signal(range(self._units))
        with m.If(self.ahead):
            m.d.sync += unit.eq(Mux(unit == last, 0, unit + 1))
        with m.If(self.start):
            m.d.sync += [unit.eq(0), last.eq((self.rows >> ceil_log2(self._lanes)) - 1)]

        pipe = Pipeline(m, self.ahead)
        read = pipe.stage(unit=unit, fresh=self.fresh, completes=self.completes)
        found = pipe.valid
        kept = pipe.stage(unit=read.unit, completes=read.completes)
        assert pipe.stages == self.lead
        arrived = pipe.valid
        done = pipe.stage(unit=kept.unit, completes=kept.completes)
        m.d.comb += self.o_valid.eq(pipe.valid & done.completes)

        for c in range(self._contexts):
            active = self.contexts >= c
            m.submodules[f"memory{c}"] = memory = BlockMemory(DOT.width * self._lanes, self._units)
            m.d.comb += [
                memory.read[0].addr.eq(unit), memory.read[0].en.eq(self.ahead & active),
                memory.write.addr.eq(done.unit), memory.write.data.eq(Cat(self.o[c])),
                memory.write.en.eq(pipe.valid & ~done.completes & active),
            ]
            for i in range(self._lanes):
                before = Signal(DOT, name=f"before{c}_{i}")  # zero as a register, which its reset input does
                with m.If(found & active):
                    m.d.sync += before.eq(
                        Mux(read.fresh, 0, memory.read[0].data.word_select(i, DOT.width).as_signed()))
                with m.If(arrived & active):
                    m.d.sync += self.o[c][i].eq(before + self.dots[c][i])
        return m
