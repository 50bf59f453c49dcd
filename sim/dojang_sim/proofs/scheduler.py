"""The scheduler keeps the rules between banks, and sends nothing but what it was offered."""

from collections.abc import Mapping

from amaranth.hdl import Assert, Cat, Module, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In, Member
from dojang_hdl.lpddr4.bank import Column
from dojang_hdl.lpddr4.command import Kind
from dojang_hdl.lpddr4.scheduler import Scheduler
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config

from ..lpddr4.commands import Command
from ..lpddr4.devicespec import memspec_of
from ..lpddr4.rules import RULES, Scope, clocks
from .order import OrderInside
from .prove import Harness
from .rules import assert_timing, ones

__all__ = ["SchedulerDistances", "SchedulerOffers", "SchedulerPorts"]


class SchedulerPorts(Harness):
    """A scheduler whose banks and refresher want anything at any time; offers come and go."""

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler], inside: Mapping[str, Member]):
        self._config, self._scheduler = config, scheduler
        super().__init__({
            "column_ready": In(BANKS), "column_soon": In(BANKS), "last": In(BANKS),
            "column": In(data.ArrayLayout(Column, BANKS)), "row_ready": In(BANKS),
            "activate": In(BANKS), "row": In(data.ArrayLayout(17, BANKS)), "refresh": In(1),
            "refresh_bank": In(3), "refresh_all": In(1), "register": In(1), "pressure": In(1), **inside,
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.scheduler = scheduler = self._scheduler(self._config)
        m.d.comb += [
            scheduler.refresh.eq(self.refresh), scheduler.refresh_bank.eq(self.refresh_bank),
            scheduler.refresh_all.eq(self.refresh_all), scheduler.register.eq(self.register),
            scheduler.pressure.eq(self.pressure),
        ]
        for index, bank in enumerate(scheduler.banks):
            m.d.comb += [
                bank.column_ready.eq(self.column_ready[index]), bank.column_soon.eq(self.column_soon[index]),
                bank.column.eq(self.column[index]), bank.last.eq(self.last[index]),
                bank.row_ready.eq(self.row_ready[index]), bank.activate.eq(self.activate[index]),
                bank.row.eq(self.row[index]),
            ]
        self._check(m, scheduler)
        return m

    def _check(self, m, scheduler):
        raise NotImplementedError


class SchedulerDistances(SchedulerPorts):
    """Commands keep the distances between banks and the window of four activations; one a cycle at ratio 4."""

    inside = {"window": "scheduler.window", "counted": "scheduler.inside"}

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler] = Scheduler):
        span = clocks(RULES.windows[0].span, memspec_of(config, derated=True))
        self._span = span + 2       # from ACT's last edge to that of REF
        super().__init__(config, scheduler, {"window": In(config.spacing(self._span) - 1), "counted": In(3)})

    def _check(self, m, scheduler):
        column, row = scheduler.column.kind, scheduler.row.kind
        events = {}
        for command, happens in {
            Command.RD: (column == Kind.RD) | (column == Kind.MRR),
            Command.WR: (column == Kind.WR) | (column == Kind.MWR),
            Command.ACT: row == Kind.ACT, Command.PREPB: row == Kind.PRE,
            Command.REFPB: (row == Kind.REF) & ~scheduler.row.all_banks,
        }.items():
            events[command] = Signal(name=command.lower())
            m.d.comb += events[command].eq(happens)
        # From one refresh to the next is the refresher's.
        without = {command: event for command, event in events.items() if command != Command.REFPB}
        assert_timing(m, self._config, without, events, Scope.ANY)
        assert_timing(m, self._config, {Command.REFPB: events[Command.REFPB]}, without, Scope.ANY)
        if self._config.ratio == 4:
            m.d.comb += Assert((column == Kind.NOP) | (row == Kind.NOP), "one command a cycle")

        opening = events[Command.ACT] | events[Command.REFPB]
        past = Signal(-(-self._span // self._config.ratio) - 1)
        m.d.sync += past.eq(Cat(opening, past))
        m.d.comb += Assert(~opening | (ones(past) < RULES.windows[0].count), "tFAW")
        m.d.comb += Assert(self.counted == ones(self.window), "the window is counted")


class SchedulerOffers(SchedulerPorts):
    """Each command is what one bank, or the refresher, offered in the cycle before; every taken offer is sent."""

    def __init__(self, config: Lpddr4Config, scheduler: type[Scheduler] = Scheduler):
        self._orders = [OrderInside("order", "scheduler.order", BANKS)]
        self.inside = {"holder": "scheduler.holder"}
        ports = {"holder": In(BANKS)}
        if config.ports == 1:
            self._orders.append(OrderInside("turn", "scheduler.turn", BANKS))
        else:
            for port in range(config.ports):
                name = f"turn{port}"
                self._orders.append(OrderInside(name, f"scheduler.turns.{name}", config.port_banks))
                self.inside[f"going{port}"] = f"scheduler.turns.going{port}"
                ports[f"going{port}"] = In(config.port_banks)
        for order in self._orders:
            self.inside |= order.inside
            ports |= order.ports
        super().__init__(config, scheduler, ports)

    def _check(self, m, scheduler):
        columns = Signal(BANKS)
        rows = Signal(BANKS)
        column, row = scheduler.column, scheduler.row
        m.d.comb += [
            columns.eq(Cat(bank.column_taken for bank in scheduler.banks)),
            rows.eq(Cat(bank.row_taken for bank in scheduler.banks)),
            Assert(~(columns & ~self.column_ready).any(), "columns are of banks that offer"),
            Assert(~(rows & ~self.row_ready).any(), "rows are of banks that offer"),
            Assert(ones(columns) + scheduler.register_taken <= 1, "one column command"),
            Assert(ones(rows) + scheduler.refresh_taken <= 1, "one row command"),
            Assert(~scheduler.refresh_taken | self.refresh, "refreshes are asked for"),
            Assert(~scheduler.register_taken | self.register, "registers are asked for"),
        ]

        def before(signal, name):
            delayed = Signal.like(signal, name=f"{name}_before")
            m.d.sync += delayed.eq(signal)
            return delayed

        columns, rows = before(columns, "columns"), before(rows, "rows")
        register, refresh = before(scheduler.register_taken, "register"), before(scheduler.refresh_taken, "refresh")
        m.d.comb += [
            Assert((column.kind == Kind.NOP) == ~(columns.any() | register), "a column command for a taken one"),
            Assert((column.kind == Kind.MRR) == register, "MRR for a register"),
            Assert((row.kind == Kind.NOP) == ~(rows.any() | refresh), "a row command for a taken one"),
            Assert((row.kind == Kind.REF) == refresh, "REF for a refresh"),
            Assert(~refresh | (row.all_banks == before(self.refresh_all, "all")), "of all banks"),
            Assert(~refresh | (row.bank == before(self.refresh_bank, "refresh_bank")), "of that bank"),
        ]
        sent = scheduler.sent
        for index in range(BANKS):
            offer, act, at = (before(self.column[index], f"column{index}"), before(self.activate[index], f"act{index}"),
                              before(self.row[index], f"row{index}"))
            with m.If(columns[index]):
                m.d.comb += [
                    Assert((column.bank == index) & (column.burst == offer.burst), "the bank's burst"),
                    Assert(((column.kind == Kind.RD) == ~offer.write)
                           & ((column.kind == Kind.MWR) == offer.write & offer.masked), "of its kind"),
                    Assert((sent.slot == offer.slot) & (sent.wanted == offer.wanted) & (sent.read == ~offer.write)
                           & (sent.write == offer.write) & ~sent.register, "from or to its slot"),
                ]
            with m.If(rows[index]):
                m.d.comb += [
                    Assert((row.bank == index) & ((row.kind == Kind.ACT) == act), "the bank's row command"),
                    Assert(~act | (row.row == at), "of its row"),
                ]
        m.d.comb += Assert(ones(self.holder) <= 1, "one holder")
        if self._config.ports > 1:
            m.d.comb += [Assert(ones(getattr(self, f"going{port}")) <= 1, f"one bank of port {port} goes on")
                         for port in range(self._config.ports)]
        for order in self._orders:
            order.assert_order(m, self)
