"""The scale stream of coded engines: factors of a unit, or of a row in all its products."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..config import WORD_BITS
from ..isa import ScaleMode
from .scales import FACTOR, ScaleUnpacker, unit_layout
from .sum_queue import queued_units

__all__ = ["RowScaleReader"]


class RowScaleReader(wiring.Component):
    """A `ScaleReader` that with ``ScaleMode.ROW`` reads the stream in a command's first product only.

    Its queue is a block RAM with room for all rows; with ROW it is gone through again for every further product.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.
    acc_rows: rows it has room for, a power of two.

    Members
    -------
    start: pulse while no unit is under way: a command begins.
    mode, scales, available, issue, ends: as of `ScaleUnpacker`; a product ends where ``ends`` says.
    pop: remove the oldest entry, two cycles after its issue at the earliest, before `queued_units` more are issued.
    final: with ``pop``: the unit is its product's last.
    o: the entry removed ``lead`` cycles before, with ``final`` as its ``ends``.
    """

    lead = 2
    """Reading the memory, and the register behind it."""

    def __init__(self, lanes: int, acc_rows: int):
        self._lanes, self._depth = lanes, queued_units(lanes, acc_rows)
        super().__init__({
            "start": In(1), "mode": In(2), "scales": In(stream.Signature(WORD_BITS)),
            "available": Out(1), "issue": In(1), "ends": In(1),
            "pop": In(1), "final": In(1), "o": Out(unit_layout(lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.unpacker = unpacker = ScaleUnpacker(self._lanes)
        connect(m, flipped(self.scales), unpacker.scales)
        kept, stored, of_rows = Signal(), Signal(), self.mode == ScaleMode.ROW
        m.d.comb += [unpacker.mode.eq(self.mode), unpacker.issue.eq(self.issue), unpacker.ends.eq(self.ends),
                     unpacker.kept.eq(kept), self.available.eq(unpacker.available)]
        m.d.sync += stored.eq(kept)
        with m.If(self.issue & self.ends & of_rows):
            m.d.sync += kept.eq(1)

        m.submodules.queue = queue = BlockMemory(2 * FACTOR * self._lanes, self._depth)
        newest, oldest = Signal(range(self._depth)), Signal(range(self._depth))
        entry = Cat(unpacker.o.scale, unpacker.o.offset)
        read, write = queue.read[0], queue.write
        m.d.comb += [write.en.eq(unpacker.o_valid & ~stored), write.addr.eq(newest), write.data.eq(entry),
                     read.en.eq(self.pop), read.addr.eq(oldest)]
        with m.If(write.en):
            m.d.sync += newest.eq(newest + 1)
        with m.If(self.pop):
            m.d.sync += oldest.eq(Mux(self.final & of_rows, 0, oldest + 1))
        with m.If(self.start):
            m.d.sync += [kept.eq(0), newest.eq(0), oldest.eq(0)]

        found = Pipeline(m, self.pop)
        s = found.stage(final=self.final)
        s = found.stage(entry=read.data, final=s.final)
        assert found.stages == self.lead
        m.d.comb += [Cat(self.o.scale, self.o.offset).eq(s.entry), self.o.ends.eq(s.final)]
        return m
