"""The scale stream of coded engines: factors of a unit, or of a row in all its products."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..config import WORD_BITS
from ..isa import ScaleMode
from .scales import FACTOR, ScaleUnpacker, unit_layout

__all__ = ["RowScaleReader"]


class RowScaleReader(wiring.Component):
    """Unpacks the scale stream as units leave `SumQueue`; with ``ScaleMode.ROW`` in a command's first product only.

    The factors of all rows then come from a block RAM. A unit per cycle while the stream delivers.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.
    acc_rows: rows it has room for, a power of two.

    Members
    -------
    start: pulse while no unit is under way: a command begins.
    mode, scales, used, forget, available: as of `ScaleUnpacker`.
    pop: a unit goes (only while ``available``); with ROW not within three cycles of its last time.
    final: with ``pop``: the unit is its product's last.
    o: the factors of the unit that went ``lead`` cycles before, with ``final`` as its ``ends``.
    """

    lead = 2
    """Reading the memory or the words, and the register behind it."""

    def __init__(self, lanes: int, acc_rows: int):
        self._lanes, self._units = lanes, acc_rows // lanes
        super().__init__({
            "start": In(1), "mode": In(2), "scales": In(stream.Signature(WORD_BITS)), "used": Out(1),
            "forget": In(1), "available": Out(1), "pop": In(1), "final": In(1), "o": Out(unit_layout(lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.unpacker = unpacker = ScaleUnpacker(self._lanes)
        connect(m, flipped(self.scales), unpacker.scales)
        kept, unit = Signal(), Signal(range(self._units))
        m.d.comb += [unpacker.mode.eq(self.mode), unpacker.issue.eq(self.pop), unpacker.ends.eq(self.final),
                     unpacker.kept.eq(kept), self.available.eq(unpacker.available), self.used.eq(unpacker.used),
                     unpacker.forget.eq(self.forget)]
        with m.If(self.pop):
            m.d.sync += unit.eq(Mux(self.final, 0, unit + 1))
            with m.If(self.final & (self.mode == ScaleMode.ROW)):
                m.d.sync += kept.eq(1)
        with m.If(self.start):
            m.d.sync += [kept.eq(0), unit.eq(0)]

        m.submodules.memory = memory = BlockMemory(2 * FACTOR * self._lanes, self._units)
        read, write = memory.read[0], memory.write
        pipe = Pipeline(m, self.pop)
        s = pipe.stage(final=self.final, kept=kept, unit=unit)
        entry = Cat(unpacker.o.scale, unpacker.o.offset)
        m.d.comb += [read.en.eq(self.pop), read.addr.eq(unit), write.en.eq(pipe.valid & ~s.kept),
                     write.addr.eq(s.unit), write.data.eq(entry)]
        s = pipe.stage(entry=Mux(s.kept, read.data, entry), final=s.final)
        assert pipe.stages == self.lead
        m.d.comb += [Cat(self.o.scale, self.o.offset).eq(s.entry), self.o.ends.eq(s.final)]
        return m
