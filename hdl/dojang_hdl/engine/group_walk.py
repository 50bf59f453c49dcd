"""Passes over the rows, in a command of several blocks a product."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["GroupWalk"]


class GroupWalk(wiring.Component):
    """Counts passes over the rows, one for each block of a group; a group's products are one or several such sums.

    Members
    -------
    start: pulse while idle; the three fields below must stay until the last pass is over. groups * blocks * products of
        a group is below 2^16.
    groups, blocks, terms: groups, logarithm of the blocks of a group, products of a group less one.
    begin: pulse ``latency`` cycles after ``start``: from now on the members below are valid.
    products, passes: of all groups.
    advance: pulse, a pass is over.
    fresh, completes: the pass is the first, the last of its product.
    """

    start: In(1)
    groups: In(16)
    blocks: In(2)
    terms: In(3)
    begin: Out(1)
    products: Out(16)
    passes: Out(16)
    advance: In(1)
    fresh: Out(1)
    completes: Out(1)

    latency = 2

    def elaborate(self, platform):
        m = Module()
        started = Signal()
        m.d.sync += [started.eq(self.start), self.begin.eq(started), self.products.eq(self.groups * (self.terms + 1))]
        m.d.comb += self.passes.eq((self.products << self.blocks)[:16])

        most, left = Signal(2), Signal(2)
        m.d.comb += most.eq((1 << self.blocks) - 1)
        following = Mux(self.completes, most, left - 1)[:2]
        with m.If(started):
            m.d.sync += [left.eq(most), self.fresh.eq(1), self.completes.eq(most == 0)]
        with m.Elif(self.advance):
            m.d.sync += [left.eq(following), self.fresh.eq(self.completes), self.completes.eq(following == 0)]
        return m
