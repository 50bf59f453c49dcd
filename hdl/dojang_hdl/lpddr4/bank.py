"""One bank: its queue of accesses, and the row they need."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out, Signature

from .cooldown import Cooldown
from .timing import Lpddr4Config

__all__ = ["Access", "BankMachine", "BankPort", "Column"]

Access = data.StructLayout({
    "row": 17, "burst": 6, "bursts": 7, "slot": 9, "skip_first": 1, "skip_last": 1, "write": 1, "masked": 1})
"""``bursts`` bursts (1 to 64) of one row from ``burst`` on. ``slot``: buffer place of the first. ``skip_first`` and
``skip_last``: the first word of the first burst and the last one of the last are not wanted. ``masked``: a write that
leaves bytes as they are.
"""

Column = data.StructLayout({"burst": 6, "slot": 9, "wanted": 2, "write": 1, "masked": 1})
"""One burst of an access; ``wanted``: which of its two words."""


class BankPort(Signature):
    """What a bank wants from the scheduler, which answers in the same cycle. An offer may be withdrawn.

    Members
    -------
    column_ready: ``column`` may be sent as far as the bank is concerned; ``column_taken`` says that it is.
    column_soon: that may be said of the next cycle, if nothing is taken in this one; with ``column_ready`` as well.
    last: it is the last one of its access.
    row_ready: the bank needs an ACT of ``row`` (``activate``) or a PRE, and may have it; ``row_taken`` as above.
    idle: nothing is queued.
    hold: nothing but a PRE is to be asked for, until the bank is closed.
    parked: closed and ready for a refresh.
    """

    def __init__(self):
        super().__init__({
            "column_ready": Out(1), "column_soon": Out(1), "column": Out(Column), "last": Out(1),
            "column_taken": In(1),
            "row_ready": Out(1), "activate": Out(1), "row": Out(17), "row_taken": In(1),
            "idle": Out(1), "hold": In(1), "parked": Out(1),
        })


class BankMachine(wiring.Component):
    """Serves the accesses of its bank in order, which keeps a read behind the writes before it.

    A row stays open until an access to another one, or a refresh, is next.

    Parameters
    ----------
    config: the channel.
    depth: accesses queued besides the one that is served.

    Members
    -------
    access: In stream of `Access`.
    port: `BankPort`.

    Attributes
    ----------
    accesses: most of them in here.
    """

    def __init__(self, config: Lpddr4Config, depth: int = 4):
        self._config, self._depth, self.accesses = config, depth, depth + 1
        super().__init__({"access": In(stream.Signature(Access)), "port": Out(BankPort())})

    def elaborate(self, platform):
        m = Module()
        port = self.port
        m.submodules.queue = queue = fifo.SyncFIFO(width=Access.size, depth=self._depth)
        m.d.comb += [queue.w_en.eq(self.access.valid), queue.w_data.eq(self.access.payload),
                     self.access.ready.eq(queue.w_rdy)]
        following = data.View(Access, queue.r_data)

        head = Signal(Access)
        valid, first = Signal(name="valid"), Signal(name="first")
        opened, hit = Signal(name="opened"), Signal(name="hit")
        row = Signal(17)
        last = head.bursts == 1
        ready, soon = self._distances(m, head)
        m.d.comb += [
            port.column_ready.eq(valid & hit & ~port.hold & ready.column & (~head.masked | ready.masked)),
            port.column_soon.eq(valid & hit & ~port.hold & soon.column & (~head.masked | soon.masked)),
            port.column.burst.eq(head.burst), port.column.slot.eq(head.slot),
            port.column.write.eq(head.write), port.column.masked.eq(head.masked),
            port.column.wanted.eq(~Cat(first & head.skip_first, last & head.skip_last)),
            port.last.eq(last), port.activate.eq(~opened), port.row.eq(head.row),
            port.row_ready.eq(Mux(opened, ready.pre & (port.hold | valid & ~hit), ready.act & valid & ~port.hold)),
            port.idle.eq(~valid & ~queue.r_rdy),
            port.parked.eq(~opened & ready.act),
            queue.r_en.eq(~valid | port.column_taken & last),
        ]
        with m.If(port.column_taken):
            m.d.sync += [head.burst.eq(head.burst + 1), head.bursts.eq(head.bursts - 1), head.slot.eq(head.slot + 1),
                         first.eq(0)]
        with m.If(port.row_taken):
            m.d.sync += [opened.eq(~opened), hit.eq(~opened)]
            with m.If(~opened):
                m.d.sync += row.eq(head.row)
        with m.If(queue.r_en):
            m.d.sync += [valid.eq(queue.r_rdy), head.eq(following), first.eq(1)]
            # A PRE that leaves in this cycle, for a refresh, closes the row.
            m.d.sync += hit.eq(opened & ~port.row_taken & (row == following.row))
        return m

    def _distances(self, m, head):
        """Cooldowns of this bank alone; distances are those of docs/reference/lpddr4.md, the later of two where they
        differ by the command that follows."""
        t = self._config.timing(derated=True)
        rows = self._config.spacing
        port = self.port
        act, pre = port.row_taken & port.activate, port.row_taken & ~port.activate
        write = port.column_taken & port.column.write
        read = port.column_taken & ~port.column.write
        layout = data.StructLayout({"act": 1, "pre": 1, "column": 1, "masked": 1})
        ready, soon = Signal(layout), Signal(layout)
        cooldowns = {
            "act": ((act, rows(t.RCPB + 2)), (pre, rows(t.RPPB))),
            "pre": ((act, rows(t.RAS + 2)), (read, rows(t.RTP + 2, "column", "row")),
                    (write, rows(t.WL + 8 + t.WR + 3, "column", "row"))),
            "column": ((act, rows(t.RCD, "row", "column")),),
            "masked": ((write, rows(t.CCDMW, "column", "column")),),
        }
        for name, events in cooldowns.items():
            m.submodules[name] = cooldown = Cooldown(*(distance for _, distance in events))
            m.d.comb += [cooldown.event.eq(Cat(event for event, _ in events)), ready[name].eq(cooldown.ready),
                         soon[name].eq(cooldown.soon)]
        return ready, soon
