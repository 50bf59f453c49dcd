"""A bank machine keeps the rules of its bank."""

from amaranth.hdl import Assert, Module, Signal
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.bank import Access, BankMachine
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4.commands import Command
from ..lpddr4.rules import Scope
from .prove import Harness
from .rules import History, assert_timing

__all__ = ["BankRules"]


class BankRules(Harness):
    """Any accesses, any ``hold``, and a scheduler that takes what is offered whenever it likes.

    Commands need the bank in the right state, and keep the distances of `RULES`. In every cycle in which the bank is
    held and says that it is parked a refresh would be legal, and it stays parked. What is said to come soon comes.
    """

    inside = {"valid": "machine.valid", "hit": "machine.hit", "opened": "machine.opened",
              "row": "machine.row"}

    def __init__(self, config: Lpddr4Config, machine: type[BankMachine] = BankMachine):
        self._config, self._machine = config, machine
        super().__init__({
            "access": In(Access), "access_valid": In(1), "hold": In(1), "take_column": In(1), "take_row": In(1),
            "valid": In(1), "hit": In(1), "opened": In(1), "row": In(17),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.machine = machine = self._machine(self._config, depth=2)
        port = machine.port
        column, row = Signal(), Signal()
        m.d.comb += [
            machine.access.valid.eq(self.access_valid), machine.access.payload.eq(self.access),
            port.hold.eq(self.hold), column.eq(self.take_column & port.column_ready), port.column_taken.eq(column),
            row.eq(self.take_row & port.row_ready), port.row_taken.eq(row),
        ]
        m.d.comb += Assert(~(column & row), "a column or a row command")
        events = {}
        for command, happens in {
            Command.ACT: row & port.activate, Command.PREPB: row & ~port.activate,
            Command.RD: column & ~port.column.write, Command.WR: column & port.column.write,
            Command.REFPB: self.hold & port.parked,
        }.items():
            events[command] = Signal(name=command.lower())
            m.d.comb += events[command].eq(happens)
        # What follows a refresh is up to the refresher, which holds the bank for as long as it takes.
        commands = {command: event for command, event in events.items() if command != Command.REFPB}
        assert_timing(m, self._config, commands, events, Scope.SAME)

        is_open, open_row = Signal(), Signal(17)
        with m.If(events[Command.ACT]):
            m.d.sync += [is_open.eq(1), open_row.eq(port.row)]
            m.d.comb += Assert(~is_open, "ACT of a closed bank")
        with m.If(events[Command.PREPB]):
            m.d.sync += is_open.eq(0)
            m.d.comb += Assert(is_open, "PRE of an open bank")
        with m.If(column):
            m.d.comb += Assert(is_open & (open_row == port.row), "column command of the open row")
        with m.If(events[Command.REFPB]):
            m.d.comb += Assert(~is_open, "REF of a closed bank")
        with m.If(self.hold):
            m.d.comb += Assert(~column & ~events[Command.ACT], "nothing but PRE while held")
        m.d.comb += Assert(~History(m, events[Command.REFPB], 1, "parked").within(1) | port.parked | ~self.hold,
                           "parked until released")

        promised = Signal()
        m.d.sync += promised.eq(port.column_soon & ~column & ~row)
        m.d.comb += Assert(~promised | port.column_ready | self.hold, "what is promised is offered")

        masked = Signal()
        m.d.comb += masked.eq(events[Command.WR] & port.column.masked)
        writes = self._config.spacing(self._config.timing().CCDMW, "column", "column") - 1
        m.d.comb += Assert(~(masked & History(m, events[Command.WR], writes, "write").within(writes)), "tCCDMW")

        # What makes it inductive
        m.d.comb += [
            Assert(self.opened == is_open, "open as thought"),
            Assert(~self.opened | (self.row == open_row), "row as thought"),
            Assert(~self.hit | self.opened, "hits are of open banks"),
            Assert(~(self.valid & self.hit) | (port.row == open_row), "hits are of the open row"),
        ]
        return m
