"""The node's vector unit."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arith import FloatAdd, FloatMul, RoundTo, Special
from ..isa import Add, Fn, Mul, Mul2, Round
from ..sram_port import SramRead, SramWrite
from .command import Beat, VecCommand
from .fetch import Fetch
from .reduce import Reducer
from .stage import Stage
from .writer import Writer

__all__ = ["SCALARS", "VectorUnit"]

SCALARS = 16


class VectorUnit(wiring.Component):
    """Executes vector commands one after the other, one element per cycle whatever the operation.

    For every element: multiply, add, special function, multiply, convert; then store and reduce
    (docs/reference/vector-unit.md has semantics and cycle counts). A step that is not used costs one cycle of latency.

    Members
    -------
    command: accepted only when idle, and kept. n = 0 does nothing and keeps the scalar register.
    a, b: SRAM read ports of the operands. The destination may be an operand's own place.
    write: SRAM write port of the results, LOCAL bank.
    busy: high from the cycle after acceptance until the results are in SRAM and the scalar register is readable.
    scalar_index, scalar: a scalar register, one cycle after its index. The file is not reset.
    saturated: pulse while busy, the conversion to FP16 has clipped an element.
    """

    command: In(stream.Signature(VecCommand))
    a: Out(SramRead())
    b: Out(SramRead())
    write: Out(SramWrite())
    busy: Out(1)
    scalar_index: In(4)
    scalar: Out(32)
    saturated: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.fetch = fetch = Fetch()
        m.submodules.mul = mul = Stage(FloatMul(), "b")
        m.submodules.add = add = Stage(FloatAdd(), "b")
        m.submodules.fn = fn = Stage(Special(), "fn")
        m.submodules.mul2 = mul2 = Stage(FloatMul(), "b", carry=False)
        rounding = RoundTo()
        m.submodules.round = convert = Stage(rounding, "mode", carry=False)
        m.submodules.writer = writer = Writer()
        m.submodules.reducer = reducer = Reducer()
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
            self.saturated.eq(rounding.saturated),
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

        # Between the stages: a register each, and the selection of the next second operand in front of it.
        beats = [Signal(Beat, name=f"beat_{stage}") for stage in ("mul", "add", "fn", "mul2", "round", "end")]
        ends = [stage.o for stage in (mul, add, fn, mul2, convert)]
        for beat, end in zip(beats[1:], ends, strict=True):
            m.d.sync += beat.valid.eq(end.valid)
            with m.If(end.valid):
                m.d.sync += [beat.last.eq(end.last), beat.x.eq(end.x), beat.b.eq(end.b)]
        m.d.sync += beats[0].valid.eq(fetch.valid)
        x = Mux(command.a_scalar, s_a, fetch.x)
        with m.If(fetch.valid):
            m.d.sync += [beats[0].last.eq(fetch.last), beats[0].x.eq(x), beats[0].b.eq(fetch.y)]

        def second(stage, valid, select, choices):
            with m.If(valid), m.Switch(select):
                for code, value in choices.items():
                    with m.Case(code):
                        m.d.sync += stage.y.eq(value)

        second(mul, fetch.valid, command.mul, {Mul.A: x, Mul.B: fetch.y, Mul.S: s, Mul.IMM: command.imm0})
        second(add, mul.o.valid, command.add, {Add.B: mul.o.b, Add.S: s, Add.IMM: command.imm1})
        second(mul2, fn.o.valid, command.mul2, {Mul2.B: fn.o.b, Mul2.S: s})
        m.d.comb += [fn.y.eq(command.fn), convert.y.eq(command.round)]

        uses = (command.mul != Mul.ONE, command.add != Add.ZERO, command.fn != Fn.NONE, command.mul2 != Mul2.ONE,
                command.round != Round.NONE)
        for stage, use, beat in zip((mul, add, fn, mul2, convert), uses, beats, strict=False):
            m.d.comb += [stage.i.eq(beat), stage.use.eq(use)]
        for end in (writer, reducer):
            m.d.comb += [end.valid.eq(beats[-1].valid), end.last.eq(beats[-1].last), end.z.eq(beats[-1].x)]
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
