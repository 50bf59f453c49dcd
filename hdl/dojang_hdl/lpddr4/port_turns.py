"""Which bank has the column bus next, on a channel of two ports."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..streams.arbiter import MatrixArbiter
from .timing import BANKS

__all__ = ["PortTurns"]


class PortTurns(wiring.Component):
    """The ports take turns burst by burst; within a port a bank goes on as long as it can, then the one that had its
    turn longest ago.

    A port that could send a burst in every cycle therefore has every second one at least, whatever the other one asks
    for, and all of them if that asks for nothing.

    Members
    -------
    suited: banks that could send a burst in the next cycle; the upper half is the second port's.
    holder: one-hot or 0, a bank that was suited in the cycle before.
    """

    suited: In(BANKS)
    holder: Out(BANKS)

    def elaborate(self, platform):
        m = Module()
        half = BANKS // 2
        asking, following, other = Signal(2), [], Signal()
        second = Signal()       # the port whose turn it is
        for port, suited in enumerate((self.suited[:half], self.suited[half:])):
            m.submodules[f"turn{port}"] = turn = MatrixArbiter(half)
            going, kept, choice = Signal(half, name=f"going{port}"), Signal(name=f"kept{port}"), Signal(half)
            m.d.comb += [
                asking[port].eq(suited.any()), kept.eq((suited & going).any()),
                turn.request.eq(suited), turn.advance.eq(~kept), choice.eq(Mux(kept, going, turn.grant)),
            ]
            m.d.sync += going.eq(choice)
            following.append(choice)
        m.d.comb += other.eq(asking.bit_select(~second, 1))
        after = second ^ other
        m.d.sync += [second.eq(after), self.holder.eq(Cat(Mux(after, 0, following[0]), Mux(after, following[1], 0)))]
        return m
