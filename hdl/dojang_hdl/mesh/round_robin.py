"""Fair choice of one requester."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RoundRobin"]


class RoundRobin(wiring.Component):
    """Grants the first requester after the one that was served last; nobody waits for more than ``count - 1`` others.

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
        later = Signal(self._count)   # requesters behind the one served last
        candidates = Signal(self._count)
        m.d.comb += [
            candidates.eq(Mux((self.request & later).any(), self.request & later, self.request)),
            self.grant.eq(candidates & -candidates),
        ]
        with m.If(self.advance & self.request.any()):
            m.d.sync += later.eq(~(self.grant | (self.grant - 1)))
        return m
