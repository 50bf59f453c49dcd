"""The steps between operands and results, one element per cycle."""

from amaranth.hdl import Module, Signal

from ..arith import FloatAdd, FloatMul, RoundTo, Special
from ..isa import Add, Fn, Mul, Mul2, Round
from .command import Beat
from .stage import Stage

__all__ = ["Lane"]


class Lane:
    """Multiply, add, special function, multiply, convert: a `Stage` each, added to ``m``.

    Parameters
    ----------
    mark: what the names of this lane end with.

    Members
    -------
    saturated: the conversion to FP16 has clipped an element.
    """

    def __init__(self, m: Module, mark: str = ""):
        self._mark = mark
        rounding = RoundTo()
        self._stages = {
            "mul": Stage(FloatMul(), "b"), "add": Stage(FloatAdd(), "b"), "fn": Stage(Special(), "fn"),
            "mul2": Stage(FloatMul(), "b", carry=False), "round": Stage(rounding, "mode", carry=False)}
        for name, stage in self._stages.items():
            m.submodules[name + mark] = stage
        self.saturated = rounding.saturated

    def connect(self, m: Module, command, s, valid, last, x, y):
        """Feed elements: ``x`` and ``y`` are operands a and b, ``s`` the scalar. Returns the results, a `Beat`."""
        mul, add, fn, mul2, convert = stages = list(self._stages.values())

        # Between the stages: a register each, and the selection of the next second operand in front of it.
        beats = [Signal(Beat, name=f"beat_{stage}{self._mark}") for stage in (*self._stages, "end")]
        for beat, stage in zip(beats[1:], stages, strict=True):
            end = stage.o
            m.d.sync += beat.valid.eq(end.valid)
            with m.If(end.valid):
                m.d.sync += [beat.last.eq(end.last), beat.x.eq(end.x), beat.b.eq(end.b)]
        m.d.sync += beats[0].valid.eq(valid)
        with m.If(valid):
            m.d.sync += [beats[0].last.eq(last), beats[0].x.eq(x), beats[0].b.eq(y)]

        def second(stage, valid, select, choices):
            with m.If(valid), m.Switch(select):
                for code, value in choices.items():
                    with m.Case(code):
                        m.d.sync += stage.y.eq(value)

        second(mul, valid, command.mul, {Mul.A: x, Mul.B: y, Mul.S: s, Mul.IMM: command.imm0})
        second(add, mul.o.valid, command.add, {Add.B: mul.o.b, Add.S: s, Add.IMM: command.imm1})
        second(mul2, fn.o.valid, command.mul2, {Mul2.B: fn.o.b, Mul2.S: s})
        m.d.comb += [fn.y.eq(command.fn), convert.y.eq(command.round)]

        uses = (command.mul != Mul.ONE, command.add != Add.ZERO, command.fn != Fn.NONE, command.mul2 != Mul2.ONE,
                command.round != Round.NONE)
        for stage, use, beat in zip(stages, uses, beats, strict=False):
            m.d.comb += [stage.i.eq(beat), stage.use.eq(use)]
        return beats[-1]
