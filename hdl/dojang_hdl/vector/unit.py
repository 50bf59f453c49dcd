"""The node's vector unit."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS
from ..sram_port import SramRead, SramWrite
from .command import VecCommand
from .fetch import Fetch, WordFetch
from .lane import Lane
from .reduce import Reducer
from .writer import Writer

__all__ = ["SCALARS", "VectorUnit"]

SCALARS = 16


class VectorUnit(wiring.Component):
    """Executes vector commands one after the other, ``lanes`` elements per cycle; four sum two per cycle.

    For every element: multiply, add, special function, multiply, convert; then store and reduce
    (docs/reference/vector-unit.md has semantics and cycle counts). A step that is not used costs one cycle of latency.

    Parameters
    ----------
    lanes: 1, or an SRAM word's 4.

    Members
    -------
    command: accepted only when idle, and kept. n = 0 does nothing and keeps the scalar register.
    a, b: SRAM read ports of the operands. The destination may be an operand's own place.
    write: SRAM write port of the results, LOCAL bank.
    busy: high from the cycle after acceptance until the results are in SRAM and the scalar register is readable.
    scalar_index, scalar: a scalar register, one cycle after its index. The file is not reset.
    saturated: pulse while busy, the conversion to FP16 has clipped an element.
    """

    def __init__(self, lanes: int = 1):
        if lanes not in (1, ELEMENTS):
            raise ValueError(f"{lanes} lanes, expected 1 or {ELEMENTS}")
        self._lanes = lanes
        super().__init__({
            "command": In(stream.Signature(VecCommand)), "a": Out(SramRead()), "b": Out(SramRead()),
            "write": Out(SramWrite()), "busy": Out(1), "scalar_index": In(4), "scalar": Out(32), "saturated": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = Fetch() if self._lanes == 1 else WordFetch()
        lanes = [Lane(m, mark) for mark in ([""] if self._lanes == 1 else map(str, range(self._lanes)))]
        m.submodules.writer = writer = Writer(self._lanes)
        m.submodules.reducer = reducer = Reducer(self._lanes)
        wiring.connect(m, wiring.flipped(self.a), fetch.a)
        wiring.connect(m, wiring.flipped(self.b), fetch.b)
        wiring.connect(m, wiring.flipped(self.write), writer.write)

        # Life of a command: it ends when both its ends have.
        payload = self.command.payload
        command = Signal(VecCommand)
        start, begun, reduced = Signal(), Signal(), Signal()
        storing, reducing = Signal(), Signal()
        m.d.comb += [
            self.busy.eq(storing | reducing),
            self.command.ready.eq(~self.busy),
            start.eq(self.command.valid & self.command.ready & (payload.n != 0)),
            fetch.start.eq(start), fetch.command.eq(payload),
            writer.start.eq(begun), writer.d.eq(command.d),
            writer.store.eq(command.store), writer.pad32.eq(command.pad32),
            reducer.start.eq(begun), reducer.mode.eq(command.reduce),
            self.saturated.eq(reduce(or_, (lane.saturated for lane in lanes))),
        ]
        # The reduction ends one cycle after `done`, when the file's read register has the new value.
        m.d.sync += [begun.eq(start), reduced.eq(reducer.done)]
        with m.If(start):
            m.d.sync += [command.eq(payload), storing.eq(1), reducing.eq(1)]
        with m.Elif(self.busy):
            with m.If(writer.done):
                m.d.sync += storing.eq(0)
            with m.If(reduced):
                m.d.sync += reducing.eq(0)

        s, s_a = self._scalars(m, begun, command, reducer)

        ends = [lane.connect(m, command, s, fetch.valid[i], fetch.last,
                             Mux(command.a_scalar, s_a, fetch.x.word_select(i, 32)), fetch.y.word_select(i, 32))
                for i, lane in enumerate(lanes)]
        for end in (writer, reducer):
            m.d.comb += [end.valid.eq(Cat(beat.valid for beat in ends)), end.last.eq(ends[0].last),
                         end.z.eq(Cat(beat.x for beat in ends))]
        return m

    def _scalars(self, m, begun, command, reducer):
        """The scalar file; returns the scalar operands, both there before the first element is."""
        m.submodules.scalars = file = memory.Memory(shape=32, depth=SCALARS, init=[])
        write = file.write_port()
        operand, outside = file.read_port(domain="comb"), file.read_port(domain="comb")
        m.d.comb += [
            write.en.eq(reducer.write), write.addr.eq(command.s_out), write.data.eq(reducer.result),
            outside.addr.eq(self.scalar_index),
        ]
        m.d.sync += self.scalar.eq(outside.data)

        s, s_a = Signal(32), Signal(32)
        then = Signal()
        m.d.sync += then.eq(begun)
        m.d.comb += operand.addr.eq(Mux(begun, command.s, command.s_a))
        with m.If(begun):
            m.d.sync += s.eq(operand.data)
        with m.If(then):
            m.d.sync += s_a.eq(operand.data)
        return s, s_a
