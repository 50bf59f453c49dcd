"""The scale stream: one entry per unit of rows, on time for its dot products."""

from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import WORD_BITS
from ..isa import ScaleMode
from .scaler import ONE

__all__ = ["FACTOR", "QUEUE", "ScaleReader", "ScaleUnpacker", "unit_layout"]

FACTOR = 16

QUEUE = 16
"""Entries between a unit's issue and its dot products."""


def unit_layout(lanes: int) -> data.StructLayout:
    """FP16 factors of the ``lanes`` rows of a unit, and whether it is its group's last."""
    factors = data.ArrayLayout(FACTOR, lanes)
    return data.StructLayout({"scale": factors, "offset": factors, "ends": 1})


class ScaleUnpacker(wiring.Component):
    """Takes units' factors out of the scale stream; a unit per cycle while the stream delivers.

    Without scales every scale is 1, and nothing is read.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.

    Members
    -------
    mode: `ScaleMode`; changes only while no unit is under way.
    kept: the next unit's factors do not come from the stream.
    scales: the scale stream.
    used: pulse, a word of the stream is needed no more.
    forget: between commands: the words taken ahead, two at most, will come again or never.
    available: the next unit's factors are here.
    issue: unpack them (only while ``available``).
    ends: with ``issue``: the group ends here, and with it its last word.
    o_valid, o: the unit's entry, a cycle after ``issue``; anything if its factors are ``kept``.
    """

    def __init__(self, lanes: int):
        self._lanes = lanes
        super().__init__({
            "mode": In(2), "kept": In(1), "scales": In(stream.Signature(WORD_BITS)), "used": Out(1), "forget": In(1),
            "available": Out(1), "issue": In(1), "ends": In(1), "o_valid": Out(1), "o": Out(unit_layout(lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        words = [Signal(WORD_BITS, name=f"word{i}") for i in range(2)]
        full = Signal(2)
        filling, using = Signal(), Signal()
        narrow, none = self.mode != ScaleMode.AFFINE, self.mode == ScaleMode.NONE
        reading = ~none & ~self.kept

        # Two words by turns, so that ready is a register and no cycle is lost between words.
        m.d.comb += self.scales.ready.eq(~Mux(filling, full[1], full[0]))
        with m.If(self.scales.valid & self.scales.ready):
            m.d.sync += filling.eq(~filling)
            for i, word in enumerate(words):
                with m.If(filling == i):
                    m.d.sync += [word.eq(self.scales.payload), full[i].eq(1)]

        units = WORD_BITS // (FACTOR * self._lanes)  # of a word of scales; half as many of scales and offsets
        unit = Signal(range(units))
        final = self.ends | (unit == Mux(narrow, units - 1, units // 2 - 1))
        m.d.comb += [self.available.eq(~reading | Mux(using, full[1], full[0])),
                     self.used.eq(self.issue & reading & final)]
        with m.If(self.issue & reading):
            m.d.sync += unit.eq(Mux(final, 0, unit + 1))
            with m.If(final):
                m.d.sync += using.eq(~using)
                for i in range(2):
                    with m.If(using == i):
                        m.d.sync += full[i].eq(0)

        # The unit's part of the two words as pairs: all of it, or with scales alone the half that `upper` says.
        width = 2 * FACTOR * self._lanes
        in_word = WORD_BITS // width
        chosen = Signal(2 * in_word, init=1)  # one-hot
        with m.If(self.issue & reading):
            with m.If(final):
                m.d.sync += chosen.eq(Mux(using, 1, 1 << in_word))
            with m.Elif(~narrow | unit[0]):
                m.d.sync += chosen.eq(chosen << 1)
        with m.If(self.forget):   # words begin with a unit anyhow
            m.d.sync += [full.eq(0), filling.eq(0), using.eq(0), chosen.eq(1)]
        parts = [word.word_select(i, width) & chosen[w * in_word + i].replicate(width)
                 for w, word in enumerate(words) for i in range(in_word)]
        pairs, upper = Signal(width), Signal()
        m.d.sync += self.o_valid.eq(self.issue)
        with m.If(self.issue):
            m.d.sync += [pairs.eq(reduce(or_, parts)), upper.eq(unit[0]), self.o.ends.eq(self.ends)]
        singles = Mux(upper, pairs[width // 2:], pairs[:width // 2])
        for row in range(self._lanes):
            pair = pairs.word_select(row, 2 * FACTOR)
            scale = Mux(narrow, singles.word_select(row, FACTOR), pair[:FACTOR])
            m.d.comb += [self.o.scale[row].eq(Mux(none, ONE, scale)), self.o.offset[row].eq(pair[FACTOR:])]
        return m


class ScaleReader(wiring.Component):
    """Unpacks the scale stream as units are issued; queues the factors until the units' dot products arrive.

    Sustains a unit per cycle while the stream delivers.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.

    Members
    -------
    mode, scales, used, forget, available, issue, ends: as of `ScaleUnpacker`.
    pop: remove the oldest entry, two cycles after its issue at the earliest, before 14 more are issued.
    o: oldest entry.
    """

    def __init__(self, lanes: int):
        self._lanes = lanes
        super().__init__({
            "mode": In(2), "scales": In(stream.Signature(WORD_BITS)), "used": Out(1), "forget": In(1),
            "available": Out(1), "issue": In(1), "ends": In(1), "pop": In(1), "o": Out(unit_layout(lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.unpacker = unpacker = ScaleUnpacker(self._lanes)
        connect(m, flipped(self.scales), unpacker.scales)
        m.d.comb += [unpacker.mode.eq(self.mode), unpacker.issue.eq(self.issue), unpacker.ends.eq(self.ends),
                     self.available.eq(unpacker.available), self.used.eq(unpacker.used),
                     unpacker.forget.eq(self.forget)]
        m.submodules.queue = fifo = memory.Memory(shape=unit_layout(self._lanes), depth=QUEUE, init=[])
        write, read = fifo.write_port(), fifo.read_port(domain="comb")
        m.d.comb += [write.en.eq(unpacker.o_valid), write.data.eq(unpacker.o), self.o.eq(read.data)]
        with m.If(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(self.pop):
            m.d.sync += read.addr.eq(read.addr + 1)
        return m
