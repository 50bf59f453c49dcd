"""How long a refresh waits for its bank and for the command bus: what the proof of its deadline assumes."""

from amaranth.hdl import Assert, Assume, Module, Signal
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.bank import Access, BankMachine
from dojang_hdl.lpddr4.command import Kind
from dojang_hdl.lpddr4.direction import QUIET_CYCLES
from dojang_hdl.lpddr4.scheduler import Scheduler
from dojang_hdl.lpddr4.timing import BANKS, BURST, Lpddr4Config

from .order import OrderInside
from .prove import Harness
from .rules import ones, saturating
from .scheduler import SchedulerPorts

__all__ = ["PRECHARGE_CYCLES", "BankParks", "PrechargeServed", "RefreshSent", "RegisterRead", "calm_cycles",
           "close_cycles", "send_all_cycles", "send_cycles"]

PRECHARGE_CYCLES = 2 * (BANKS - 1) + 1
"""A bank asks for PRE so long at most before it is taken."""


def close_cycles(config: Lpddr4Config) -> int:
    """A bank that is held is parked after so many cycles at most: a command just before, PRE after all others, tRP."""
    t = config.timing(derated=True)
    recovery = max(config.spacing(t.RAS + 2), config.spacing(t.WL + 8 + t.WR + 3, "column", "row"))
    return recovery - 1 + PRECHARGE_CYCLES + config.spacing(t.RPPB)


def send_cycles(config: Lpddr4Config) -> int:
    """A refresh that is ready is sent after so many cycles at most: a window of four activations."""
    return config.spacing(config.timing(derated=True).FAW + 2)


def send_all_cycles(config: Lpddr4Config) -> int:
    """The same of a refresh of all banks, which waits for the command bus alone."""
    return 1 if config.ratio == 4 else 0


def calm_cycles(config: Lpddr4Config) -> int:
    """A calm is finished after so many cycles at most: it is heard of, the bus turns to reads, MRR, ZQCAL_START."""
    t = config.timing(derated=True)
    return QUIET_CYCLES + 3 + config.spacing(t.WL + 1 + BURST + t.WTR, "column", "column") + 1


class BankParks(Harness):
    """A bank whose PRE is taken at most `PRECHARGE_CYCLES` after it is asked for is parked at most `close_cycles` after
    it is held.
    """

    inside = {"hit": "machine.hit", "opened": "machine.opened"}

    def __init__(self, config: Lpddr4Config, machine: type[BankMachine] = BankMachine):
        self._config, self._machine, self._close = config, machine, close_cycles(config)
        super().__init__({"access": In(Access), "access_valid": In(1), "hold": In(1), "take_column": In(1),
                          "take_row": In(1), "hit": In(1), "opened": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.machine = machine = self._machine(self._config, depth=2)
        port = machine.port
        m.d.comb += [
            machine.access.valid.eq(self.access_valid), machine.access.payload.eq(self.access),
            port.hold.eq(self.hold), port.column_taken.eq(self.take_column & port.column_ready),
            port.row_taken.eq(self.take_row & port.row_ready),
        ]
        asked = saturating(m, port.row_ready & ~port.activate & ~port.row_taken, PRECHARGE_CYCLES, "asked")
        held = saturating(m, self.hold & ~port.parked, self._close, "held")
        m.d.comb += [
            Assume((asked < PRECHARGE_CYCLES) | port.row_taken),
            Assert((held < self._close) | port.parked | ~self.hold, "parked in time"),
            Assert(~self.hit | self.opened, "hits are of open banks"),
        ]
        return m


class PrechargeServed(SchedulerPorts):
    """A PRE that a bank goes on asking for is taken after at most `PRECHARGE_CYCLES`, as long as no refresh is ready:
    the refresher is waiting for this bank to close.

    In every free cycle a bank that comes before it is served, and goes behind it; at ratio 4 every other one is free.
    """

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler] = Scheduler):
        self._order = OrderInside("order", "scheduler.order", BANKS)
        self.inside = self._order.inside
        super().__init__(config, scheduler, {"follow": In(range(BANKS)), **self._order.ports})

    def _check(self, m, scheduler):
        followed, began = Signal(range(BANKS)), Signal()
        m.d.sync += [followed.eq(self.follow), began.eq(1)]
        m.d.comb += Assume(~began | (self.follow == followed))     # a constant
        asks, before = Signal(), Signal(range(BANKS))
        for index, bank in enumerate(scheduler.banks):
            with m.If(self.follow == index):
                m.d.comb += [
                    asks.eq(self.row_ready[index] & ~self.activate[index] & ~bank.row_taken & ~self.refresh),
                    before.eq(self._order.before(self, index)),
                ]
        asked = saturating(m, asks, PRECHARGE_CYCLES + 1, "asked")
        blocked = (scheduler.column.kind != Kind.NOP) if self._config.ratio == 4 else 0
        m.d.comb += [
            Assert(asked <= PRECHARGE_CYCLES, "PRE is taken in time"),
            Assert(asked <= 2 * (BANKS - 1 - before) + blocked, "banks before it are served"),
        ]
        self._order.assert_order(m, self)


class RefreshSent(SchedulerPorts):
    """A refresh that is ready is taken after at most `send_cycles`: nothing is activated until it is. One of all banks
    after `send_all_cycles`.
    """

    inside = {"window": "scheduler.window", "counted": "scheduler.inside"}

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler] = Scheduler):
        self._send, self._send_all = send_cycles(config), send_all_cycles(config)
        window = config.spacing(config.timing(derated=True).FAW + 2) - 1
        super().__init__(config, scheduler, {"window": In(window), "counted": In(3)})

    def _check(self, m, scheduler):
        ready = saturating(m, self.refresh & ~scheduler.refresh_taken, self._send + 1, "ready")
        ready_all = saturating(m, self.refresh & self.refresh_all & ~scheduler.refresh_taken, self._send_all + 1,
                               "ready_all")
        m.d.comb += [
            Assert(ready_all <= self._send_all, "REF of all banks is taken in time"),
            Assert(ready <= self._send, "REF is taken in time"),
            Assert(self.counted == ones(self.window), "the window is counted"),
        ]


class RegisterRead(SchedulerPorts):
    """When no bank offers a burst, a register that is asked for is read so early that START ends the calm in time."""

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler] = Scheduler):
        self._most = calm_cycles(config) - 2
        super().__init__(config, scheduler, {})

    def _check(self, m, scheduler):
        asked = saturating(m, self.register & ~scheduler.register_taken, self._most + 1, "asked")
        m.d.comb += [
            Assume(~self.register | ((self.column_ready == 0) & (self.column_soon == 0))),
            Assert(asked <= self._most, "MRR is taken in time"),
        ]
