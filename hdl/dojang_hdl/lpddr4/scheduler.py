"""Chooses a column and a row command for every controller cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..streams.arbiter import MatrixArbiter
from .bank import BankPort, Column
from .command import Command, Kind
from .cooldown import Cooldown
from .direction import Direction
from .port_turns import PortTurns
from .timing import BANKS, BURST, Lpddr4Config

__all__ = ["Scheduler", "Sent"]

ACTIVATIONS = 4
"""Most ACT and REFpb in a window of tFAW."""

Sent = data.StructLayout({"read": 1, "write": 1, "register": 1, "slot": 9, "wanted": 2})
"""What the column command of a cycle does: ``read`` or ``write`` a burst, with its place ``slot`` in the buffer;
``register``: what is read is a mode register.
"""


class Scheduler(wiring.Component):
    """Holds to all distances between banks; those within a bank are the bank machines' own.

    Column commands: as long as it has any for the present direction, a bank keeps the bus until its access is done;
    then the one that had it longest ago; two ports take turns burst by burst (`PortTurns`). The bank is chosen a cycle
    before, by what it will offer then. Row commands:
    a refresh first, then the bank served longest ago. A column command goes before a row command where the command bus
    holds only one a cycle (ratio 4).

    Parameters
    ----------
    config: the channel.

    Members
    -------
    banks: one `BankPort` each.
    refresh, refresh_bank, refresh_all, refresh_taken: see `Refresher`.
    register, register_taken: MR4 is to be read; it is.
    pressure: see `Direction`.
    column, row: the commands, one cycle later.
    sent: what ``column`` does, with it.
    """

    def __init__(self, config: Lpddr4Config):
        self._config = config
        super().__init__({
            "banks": In(BankPort()).array(BANKS),
            "refresh": In(1), "refresh_bank": In(range(BANKS)), "refresh_all": In(1), "refresh_taken": Out(1),
            "register": In(1), "register_taken": Out(1), "pressure": In(1),
            "column": Out(Command), "row": Out(Command), "sent": Out(Sent),
        })

    def elaborate(self, platform):
        m = Module()
        taken = self._columns(m)
        self._rows(m, taken if self._config.ratio == 4 else 0)
        return m

    def _columns(self, m):
        """Returns the signal that a column command is sent."""
        t, spacing = self._config.timing(derated=True), self._config.spacing
        ccd = spacing(t.CCD, "column", "column")
        to_write = spacing(read_to_write(self._config), "column", "column")
        to_read = spacing(t.WL + 1 + BURST + t.WTR, "column", "column")
        m.submodules.direction = direction = Direction()
        m.submodules.read_ready = read_ready = Cooldown(ccd, to_read)
        m.submodules.write_ready = write_ready = Cooldown(to_write, ccd)

        offers = Cat(bank.column_ready for bank in self.banks)
        soon = Cat(bank.column_soon for bank in self.banks)
        writes = Cat(bank.column.write for bank in self.banks)
        suited = Signal(BANKS)      # for the next cycle
        holder = Signal(BANKS)      # the bank that has the bus
        chosen = Signal(BANKS)
        ending = Signal(BANKS)      # the access of the bank that has the bus, if its burst leaves now
        reads_wait, writes_wait = Signal(), Signal()
        clear, taken, read, write = Signal(), Signal(), Signal(), Signal()
        m.d.comb += ending.eq(Mux(clear & ~self.register_taken, holder & Cat(bank.last for bank in self.banks), 0))
        waits = soon & ~ending
        m.d.sync += [reads_wait.eq((waits & ~writes).any()), writes_wait.eq((waits & writes).any())]
        m.d.comb += [
            direction.reads.eq(reads_wait | self.register), direction.writes.eq(writes_wait),
            direction.pressure.eq(self.pressure),
            suited.eq((soon if ccd > 1 else waits) & Mux(direction.following, writes, ~writes)),
        ]
        self._hold(m, suited, holder)
        m.d.comb += [
            clear.eq(Mux(direction.write, write_ready.ready, read_ready.ready)),
            chosen.eq(offers & holder & Mux(direction.write, writes, ~writes)),
            # Registers are read between two reads: rarely, and no bank is concerned.
            self.register_taken.eq(self.register & ~direction.write & read_ready.ready),
            taken.eq(chosen.any() & clear & ~self.register_taken),
            direction.taken.eq(taken),
            write.eq(taken & direction.write),
            read.eq(taken & ~direction.write | self.register_taken),
            read_ready.event.eq(Cat(read, write)),
            write_ready.event.eq(Cat(read, write)),
        ]
        selected = Signal(Column)
        m.d.comb += selected.eq(sum_of(holder, [bank.column for bank in self.banks]))
        m.d.sync += [
            self.column.bank.eq(encoded(holder)), self.column.burst.eq(Mux(self.register_taken, 0, selected.burst)),
            self.column.ma.eq(4),
            self.sent.read.eq(read), self.sent.write.eq(write), self.sent.register.eq(self.register_taken),
            self.sent.slot.eq(selected.slot), self.sent.wanted.eq(selected.wanted), self.column.kind.eq(Kind.NOP),
        ]
        with m.If(self.register_taken):
            m.d.sync += self.column.kind.eq(Kind.MRR)
        with m.Elif(write):
            m.d.sync += self.column.kind.eq(Mux(selected.masked, Kind.MWR, Kind.WR))
        with m.Elif(read):
            m.d.sync += self.column.kind.eq(Kind.RD)
        for index, bank in enumerate(self.banks):
            m.d.comb += bank.column_taken.eq(chosen[index] & clear & ~self.register_taken)
        return taken | self.register_taken

    def _hold(self, m, suited, holder):
        """Drives ``holder`` of the next cycle."""
        if self._config.ports > 1:
            m.submodules.turns = turns = PortTurns()
            m.d.comb += [turns.suited.eq(suited), holder.eq(turns.holder)]
            return
        m.submodules.turn = turn = MatrixArbiter(BANKS)
        kept = Signal()
        m.d.comb += [kept.eq((suited & holder).any()), turn.request.eq(suited), turn.advance.eq(~kept)]
        with m.If(~kept):
            m.d.sync += holder.eq(turn.grant)

    def _rows(self, m, blocked):
        """``blocked``: the command bus is taken in this cycle."""
        t, spacing = self._config.timing(derated=True), self._config.spacing
        m.submodules.activate_ready = activate_ready = Cooldown(spacing(t.RRD + 2))
        m.submodules.precharge_ready = precharge_ready = Cooldown(spacing(t.PPD))
        m.submodules.order = order = MatrixArbiter(BANKS)
        window = Signal(spacing(t.FAW + 2) - 1)     # + 2: REF is shorter than ACT, and the window counts last edges
        inside = Signal(range(ACTIVATIONS + 1))
        room = Signal()

        activates = Cat(bank.activate for bank in self.banks)
        wanted = Cat(bank.row_ready for bank in self.banks)
        opening, free, refreshes, go = Signal(), Signal(), Signal(), Signal()
        chosen, activating = Signal(BANKS), Signal()
        m.d.comb += [
            room.eq((inside != ACTIVATIONS) & activate_ready.ready),
            free.eq(~blocked),
            order.request.eq(wanted & Mux(room, activates, 0) | wanted & Mux(precharge_ready.ready, ~activates, 0)),
            refreshes.eq(self.refresh & (room | self.refresh_all)),
            self.refresh_taken.eq(refreshes & free), go.eq(free & ~refreshes),
            chosen.eq(Mux(go, order.grant, 0)),
            order.advance.eq(go),
            activating.eq((order.grant & activates).any() & go),
            opening.eq(activating | self.refresh_taken & ~self.refresh_all),
            activate_ready.event.eq(opening),
            precharge_ready.event.eq((order.grant & ~activates).any() & go),
        ]
        m.d.sync += [
            window.eq(Cat(opening, window)), inside.eq(inside + opening - window[-1]),
            self.row.kind.eq(Kind.NOP), self.row.row.eq(sum_of(order.grant, [bank.row for bank in self.banks])),
            self.row.bank.eq(Mux(refreshes, self.refresh_bank, encoded(order.grant))),
            self.row.all_banks.eq(self.refresh_taken & self.refresh_all),
        ]
        with m.If(self.refresh_taken):
            m.d.sync += self.row.kind.eq(Kind.REF)
        with m.Elif(order.grant.any() & go):
            m.d.sync += self.row.kind.eq(Mux(activating, Kind.ACT, Kind.PRE))
        for index, bank in enumerate(self.banks):
            m.d.comb += bank.row_taken.eq(chosen[index])


def read_to_write(config):
    """tCK from RD to WR: the read's data is over before the write's preamble, and before DQ is terminated."""
    t = config.timing(derated=True)
    first = min(t.WL - t.WPRE, t.ODTLON + t.ODTON - 1) if config.terminated else t.WL - t.WPRE
    return t.RL + t.DQSCK + BURST + t.RPST - first


def sum_of(chosen, values):
    """The value whose bit in the one-hot ``chosen`` is set."""
    total = 0
    for bit, value in zip(chosen, values, strict=True):
        value = value.as_value() if isinstance(value, data.View) else value
        total |= bit.replicate(len(value)) & value
    return total


def encoded(chosen):
    """Number of the one bit that is set."""
    return Cat(Cat(chosen[index] for index in range(len(chosen)) if index >> bit & 1).any()
               for bit in range((len(chosen) - 1).bit_length()))
