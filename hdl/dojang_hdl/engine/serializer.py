"""Finished units, row by row, with everything that scales them."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..isa import CONTEXT_BITS
from .formats import DOT
from .scales import unit_layout

__all__ = ["Serializer"]


class Serializer(wiring.Component):
    """Takes the dot products of ``lanes`` rows at once and hands out one row per cycle, all contexts together.

    The first row comes out a cycle after the unit; units are at least ``lanes`` cycles apart. A group's factors
    are kept until its last row, while those of the next one are already here.

    Parameters
    ----------
    lanes, contexts: rows of a unit; vectors it has room for.
    factors: layout of what a group has for each context.

    Members
    -------
    start: pulse while idle.
    contexts: active contexts less one.
    take, group: a group starts: its factors; after the last row of the group before the previous one.
    i_valid: a unit is finished.
    dots: its dot products, context after context.
    unit: its factors, and whether the next unit belongs to the next group.
    o_valid: one row of all active contexts.
    o_dot, o_group: per context.
    o_scale, o_offset: of the row.
    """

    latency = 1

    def __init__(self, lanes: int, contexts: int, factors: data.StructLayout):
        self._lanes, self._contexts, self._factors = lanes, contexts, factors
        super().__init__({
            "start": In(1), "contexts": In(CONTEXT_BITS),
            "take": In(1), "group": In(factors).array(contexts),
            "i_valid": In(1), "dots": In(DOT).array(contexts, lanes), "unit": In(unit_layout(lanes)),
            "o_valid": Out(1), "o_dot": Out(DOT).array(contexts), "o_group": Out(factors).array(contexts),
            "o_scale": Out(16), "o_offset": Out(16),
        })

    def elaborate(self, platform):
        m = Module()
        left = Signal(range(self._lanes + 1))
        ends = Signal()
        group_in, group_out = Signal(), Signal()
        scale, offset = (Signal(16 * self._lanes, name=name) for name in ("scale", "offset"))
        m.d.comb += [self.o_valid.eq(left != 0), self.o_scale.eq(scale[:16]), self.o_offset.eq(offset[:16])]

        with m.If(left != 0):
            m.d.sync += [left.eq(left - 1), scale.eq(scale >> 16), offset.eq(offset >> 16)]
            with m.If((left == 1) & ends):
                m.d.sync += group_out.eq(~group_out)
        with m.If(self.i_valid):
            m.d.sync += [left.eq(self._lanes), scale.eq(self.unit.scale), offset.eq(self.unit.offset),
                         ends.eq(self.unit.ends)]
        with m.If(self.take):
            m.d.sync += group_in.eq(~group_in)
        with m.If(self.start):
            m.d.sync += [group_in.eq(0), group_out.eq(0)]

        for c in range(self._contexts):
            active = self.contexts >= c
            dots = Signal(DOT.width * self._lanes, name=f"dots{c}")
            with m.If(self.i_valid & active):
                m.d.sync += dots.eq(Cat(self.dots[c]))
            with m.Elif((left != 0) & active):
                m.d.sync += dots.eq(dots >> DOT.width)
            groups = [Signal(self._factors, name=f"group{c}_{i}") for i in range(2)]
            for i, group in enumerate(groups):
                with m.If(self.take & (group_in == i)):
                    m.d.sync += group.eq(self.group[c])
            m.d.comb += [self.o_dot[c].eq(dots[:DOT.width]), self.o_group[c].eq(Mux(group_out, groups[1], groups[0]))]
        return m
