"""Two ports share the column bus fairly."""

from amaranth.hdl import Assert, Module, Signal
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.port_turns import PortTurns
from dojang_hdl.lpddr4.timing import BANKS

from .order import OrderInside
from .prove import Harness
from .rules import ones

__all__ = ["PortTurnsShared"]

HALF = BANKS // 2


class PortTurnsShared(Harness):
    """Banks that are suited at any time.

    The bus goes to one bank that was suited, if any was; a port that could have had it is passed over once at most.
    """

    def __init__(self, turns: type[PortTurns] = PortTurns):
        self._turns = turns
        self._orders = [OrderInside(f"turn{port}", f"turns.turn{port}", HALF) for port in range(2)]
        self.inside = {"second": "turns.second", **{f"going{port}": f"turns.going{port}" for port in range(2)}}
        ports = {"suited": In(BANKS), "second": In(1), "going0": In(HALF), "going1": In(HALF)}
        for order in self._orders:
            self.inside |= order.inside
            ports |= order.ports
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        m.submodules.turns = turns = self._turns()
        suited = Signal(BANKS)      # in the cycle before
        m.d.comb += turns.suited.eq(self.suited)
        m.d.sync += suited.eq(self.suited)
        m.d.comb += [
            Assert(~(turns.holder & ~suited).any(), "a bank that could go on"),
            Assert(ones(turns.holder) == suited.any(), "one, if there is any"),
        ]
        for port, going in enumerate((self.going0, self.going1)):
            part = slice(port * HALF, (port + 1) * HALF)
            asked, missed = Signal(name=f"asked{port}"), Signal(name=f"missed{port}")
            m.d.comb += asked.eq(suited[part].any())
            passed = asked & ~turns.holder[part].any()
            m.d.sync += missed.eq(passed)
            m.d.comb += [
                Assert(~(missed & passed), f"port {port} is not passed over twice"),
                Assert(~missed | (self.second == port) | ~asked, f"port {port} is next"),
                Assert(ones(going) <= 1, f"one bank of port {port} goes on"),
            ]
            self._orders[port].assert_order(m, self)
        return m
