"""What the memory was told, counted."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..counters import MEMORY_COUNTERS
from ..event_counters import EventCounters
from ..memory import MemoryStatus
from .command import Command, Kind
from .timing import BANKS

__all__ = ["CommandCounters", "Events"]

Events = data.StructLayout(dict.fromkeys(MEMORY_COUNTERS, 1))
"""``reads`` and ``writes`` count bursts of 32 bytes, ``masked_writes`` those of them that leave bytes as they are;
``turnarounds`` a burst in the other direction than the last one; ``refreshes_<bank>`` per-bank and all-bank refreshes.
"""


class CommandCounters(wiring.Component):
    """Counts commands as they go to the encoders; two cycles behind them.

    Members
    -------
    column, row: the commands of a cycle.
    port: `MemoryStatus`.
    events: what is counted in this cycle.
    """

    column: In(Command)
    row: In(Command)
    port: In(MemoryStatus())
    events: Out(Events)

    def elaborate(self, platform):
        m = Module()
        column, row = Signal(Command), Signal(Command)
        read, write, written = Signal(), Signal(), Signal()
        m.d.sync += [column.eq(self.column), row.eq(self.row)]
        m.d.comb += [read.eq(column.kind == Kind.RD), write.eq((column.kind == Kind.WR) | (column.kind == Kind.MWR))]
        with m.If(read | write):
            m.d.sync += written.eq(write)
        refresh = row.kind == Kind.REF
        events = {
            "reads": read, "writes": write, "masked_writes": column.kind == Kind.MWR,
            "activates": row.kind == Kind.ACT, "precharges": row.kind == Kind.PRE,
            "turnarounds": (read & written) | (write & ~written),
            **{f"refreshes_{bank}": refresh & (row.all_banks | (row.bank == bank)) for bank in range(BANKS)},
        }
        m.submodules.counters = counters = EventCounters(MEMORY_COUNTERS)
        for name, event in events.items():
            m.d.comb += self.events[name].eq(event)
        m.d.comb += [
            counters.events.eq(self.events), counters.enable.eq(self.port.enable), counters.clear.eq(self.port.clear),
            counters.address.eq(self.port.address), self.port.data.eq(counters.data),
        ]
        return m
