"""Fair choice of one requester."""

from itertools import combinations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MatrixArbiter"]


class MatrixArbiter(wiring.Component):
    """Grants the requester that was served longest ago; nobody waits for more than ``count - 1`` others.

    Every pair of requesters has a bit that says who comes first, so a grant is one level of logic over the requests
    and these bits: shorter than round robin's two priority chains.

    Members
    -------
    request: one bit per requester.
    advance: the granted requester is served in this cycle.
    grant: one-hot, combinational; 0 when nobody requests.
    """

    def __init__(self, count: int):
        if count < 1:
            raise ValueError(f"count={count}, expected at least one requester")
        self._count = count
        super().__init__({"request": In(count), "advance": In(1), "grant": Out(count)})

    def elaborate(self, platform):
        m = Module()
        first = {(i, j): Signal(init=1, name=f"first_{i}_{j}") for i, j in combinations(range(self._count), 2)}
        for index in range(self._count):
            beaten = [self.request[other] & (first[other, index] if other < index else ~first[index, other])
                      for other in range(self._count) if other != index]
            m.d.comb += self.grant[index].eq(self.request[index] & ~Cat(beaten).any())
        with m.If(self.advance):
            for (i, j), i_first in first.items():
                with m.If(self.grant[i]):
                    m.d.sync += i_first.eq(0)
                with m.If(self.grant[j]):
                    m.d.sync += i_first.eq(1)
        return m
