"""Fair choice among inputs behind which different numbers of senders stand."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..streams.arbiter import MatrixArbiter

__all__ = ["RoundArbiter"]


class RoundArbiter(wiring.Component):
    """Grants whole rounds, in turn: a round is a run of flits in which each sender has at most one.

    A round that has begun goes on before another one begins, and a round of the output is one round of each input that
    has any. So a link's rounds hold all senders behind it, however many there are and wherever they join.

    Parameters
    ----------
    count: number of requesters.

    Members
    -------
    request: one bit per requester.
    more: the request belongs to the same round as the requester's last one.
    advance: the granted requester is served in this cycle.
    grant, select: as of `MatrixArbiter`.
    more_out: for each requester: its request, if granted, belongs to the same round as what was granted last.
    """

    def __init__(self, count: int):
        self._count = count
        super().__init__({"request": In(count), "more": In(count), "advance": In(1),
                          "grant": Out(count), "select": Out(count), "more_out": Out(count)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.matrix = matrix = MatrixArbiter(self._count, two_classes=True)
        # The requesters of which a round has begun in the output's present one.
        joined = Signal(self._count, init=-1)
        begins = Signal(self._count)
        m.d.comb += [
            matrix.request.eq(self.request), matrix.urgent.eq(self.more), matrix.advance.eq(self.advance),
            self.grant.eq(matrix.grant), self.select.eq(matrix.select),
            self.more_out.eq(self.more | ~joined), begins.eq(matrix.grant & ~self.more),
        ]
        with m.If(self.advance & begins.any()):
            m.d.sync += joined.eq(begins | joined & ~(begins & joined).any().replicate(self._count))
        return m
