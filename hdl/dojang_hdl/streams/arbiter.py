"""Fair choice of one requester."""

from itertools import combinations

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["MatrixArbiter"]


class MatrixArbiter(wiring.Component):
    """Grants the requester that was served longest ago; nobody waits for more than ``count - 1`` others.

    Every pair of requesters has a bit that says who comes first, so a grant is one level of logic over the requests
    and these bits: shorter than round robin's two priority chains.

    Parameters
    ----------
    count: number of requesters.
    two_classes: there is `urgent`.

    Members
    -------
    request: one bit per requester.
    urgent: whose request comes before all that are not urgent, and does not count as service; otherwise fair as well.
    advance: the granted requester is served in this cycle.
    grant: one-hot, combinational; 0 when nobody requests.
    select: equals ``grant``, but is made from bits of its own: for wide multiplexers, whose load would slow down what
        follows ``grant``.
    """

    def __init__(self, count: int, two_classes: bool = False):
        if count < 1:
            raise ValueError(f"count={count}, expected at least one requester")
        self._count, self._two_classes = count, two_classes
        super().__init__({"request": In(count), "advance": In(1), "grant": Out(count), "select": Out(count),
                          **({"urgent": In(count)} if two_classes else {})})

    def elaborate(self, platform):
        m = Module()
        pairs = list(combinations(range(self._count), 2))
        first = {(i, j): Signal(init=1, name=f"first_{i}_{j}") for i, j in pairs}
        # The other polarity, or synthesis would find the copies equal and merge them.
        second = {(i, j): Signal(name=f"second_{i}_{j}") for i, j in pairs}
        m.d.comb += self.grant.eq(self._choose({pair: (first[pair], ~first[pair]) for pair in pairs}))
        m.d.comb += self.select.eq(self._choose({pair: (~second[pair], second[pair]) for pair in pairs}))
        with m.If(self.advance):
            for pair in pairs:
                for served, value in zip(pair, (0, 1), strict=True):
                    with m.If(self.grant[served] & ~self._urgent(served)):
                        m.d.sync += [first[pair].eq(value), second[pair].eq(1 - value)]
        return m

    def _urgent(self, index):
        return self.urgent[index] if self._two_classes else Const(0, 1)

    def _choose(self, order):
        """One-hot choice; ``order[i, j]``: i comes before j, j comes before i."""
        beaten = [[] for _ in range(self._count)]
        for (i, j), (i_first, j_first) in order.items():
            if self._two_classes:
                same = self.urgent[i] == self.urgent[j]
                i_first, j_first = Mux(same, i_first, self.urgent[i]), Mux(same, j_first, self.urgent[j])
            beaten[j].append(self.request[i] & i_first)
            beaten[i].append(self.request[j] & j_first)
        return Cat(self.request[index] & ~Cat(others).any() for index, others in enumerate(beaten))
