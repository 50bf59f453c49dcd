"""Fair choice of one requester."""

from amaranth.hdl import Cat, Module, Mux, Signal
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
        again = Signal(self._count)
        m.d.comb += [
            again.eq(self.request & later),
            self.grant.eq(Mux(again.any(), _lowest(again), _lowest(self.request))),
        ]
        with m.If(self.advance & self.request.any()):
            m.d.sync += later.eq(Cat(self.grant[:index].any() for index in range(self._count)))
        return m


def _lowest(bits):
    """The lowest set bit alone; written out because ``x & -x`` would become a slow carry chain."""
    return Cat(bits[index] & ~bits[:index].any() for index in range(len(bits)))
