"""A bank machine serves every access once, in order."""

from amaranth.hdl import Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.bank import Access, BankMachine, Column
from dojang_hdl.lpddr4.timing import Lpddr4Config

from .contracts import room_stays, sound_access
from .prove import Harness

__all__ = ["BankOrder"]

DEPTH = 2


class BankOrder(Harness):
    """The bursts that leave are those of the accesses that came, in order, each once.

    One access, any that is accepted while ``mark`` is high, is followed: after the bursts that were in the machine
    before it, its own must leave, one by one, at its row. As it may be any access, this holds for all. ``idle`` is high
    if and only if every burst has left.
    """

    inside = {"valid": "machine.valid", "first": "machine.first", "head": "machine.head", "hit": "machine.hit",
              "row": "machine.row", "level": "machine.queue.r_level",
              "produce": "machine.queue.produce", "consume": "machine.queue.consume",
              "moves": "machine.queue.r_en",
              "entry0": "machine.queue.storage[0]", "entry1": "machine.queue.storage[1]"}

    def __init__(self, config: Lpddr4Config, machine: type[BankMachine] = BankMachine):
        self._config, self._machine = config, machine
        super().__init__({
            "access": In(Access), "access_valid": In(1), "hold": In(1), "take_column": In(1), "take_row": In(1),
            "mark": In(1), "valid": In(1), "first": In(1), "head": In(Access), "hit": In(1),
            "row": In(17), "level": In(2), "produce": In(1), "consume": In(1), "moves": In(1),
            "entry0": In(Access), "entry1": In(Access),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.machine = machine = self._machine(self._config, depth=DEPTH)
        port = machine.port
        column, accepted = Signal(), Signal()
        m.d.comb += [
            machine.access.valid.eq(self.access_valid), machine.access.payload.eq(self.access),
            port.hold.eq(self.hold), column.eq(self.take_column & port.column_ready), port.column_taken.eq(column),
            port.row_taken.eq(self.take_row & port.row_ready),
            accepted.eq(self.access_valid & machine.access.ready),
            Assume(sound_access(self.access)),
        ]
        held = Signal(9)        # bursts in the machine
        m.d.sync += held.eq(held + Mux(accepted, self.access.bursts, 0) - column)
        m.d.comb += [
            Assert(port.idle == (held == 0), "idle when all has left"),
            Assert(~column | (held != 0), "nothing left that did not come"),
            Assert(room_stays(m, machine.access.ready, accepted), "room stays"),
        ]

        followed, done = Signal(Access), Signal(7)
        following, ahead = Signal(), Signal.like(held)
        marked = Signal()
        own, last = Signal(), Signal()
        expected = Signal(Column)
        m.d.comb += [
            marked.eq(self.mark & accepted & ~following), own.eq(following & (ahead == 0)),
            last.eq(done == followed.bursts - 1),
            expected.burst.eq(followed.burst + done), expected.slot.eq(followed.slot + done),
            expected.write.eq(followed.write), expected.masked.eq(followed.masked),
            expected.wanted.eq(~Cat((done == 0) & followed.skip_first, last & followed.skip_last)),
        ]
        with m.If(column & own):
            m.d.comb += Assert(port.column == expected, "the access's bursts leave in order")
            m.d.comb += [Assert(self.row == followed.row, "at its row"), Assert(port.last == last, "the last is told")]
            m.d.sync += done.eq(done + 1)
            with m.If(last):
                m.d.sync += following.eq(0)
        with m.Elif(column & following):
            m.d.sync += ahead.eq(ahead - 1)
        with m.If(marked):
            m.d.sync += [following.eq(1), followed.eq(self.access), done.eq(0), ahead.eq(held - column)]

        self._invariants(m, held, following, followed, done, ahead, marked)
        return m

    def _invariants(self, m, held, following, followed, done, ahead, marked):
        """Every access is in the queue or at the machine's head; ``queued`` tells where the one that is followed is."""
        entries = (self.entry0, self.entry1)
        used = [(self.level == DEPTH) | (self.level == 1) & (self.consume == index) for index in range(DEPTH)]
        waiting = sum((Mux(used, entry.bursts, 0) for used, entry in zip(used, entries, strict=True)), Const(0))
        at_head = Mux(self.valid, self.head.bursts, 0)
        m.d.comb += [
            Assert(self.level <= DEPTH, "the queue is not over full"),
            Assert(self.produce == (self.consume + self.level)[0], "the queue is a ring"),
            Assert(held == at_head + waiting, "bursts are at the head or in the queue"),
            Assert(~self.valid | sound_access(self.head), "the head has bursts"),
            *(Assert(~used | sound_access(entry), f"entry {index} has bursts")
              for index, (used, entry) in enumerate(zip(used, entries, strict=True))),
            Assert(~(self.valid & self.hit) | (self.row == self.head.row), "hits are of the open row"),
        ]
        queued, place = Signal(), Signal()
        with m.If(marked):
            m.d.sync += [queued.eq(1), place.eq(self.produce)]
        with m.Elif(self.moves & (self.consume == place)):
            m.d.sync += queued.eq(0)
        with m.If(following & queued):
            before = Mux(self.consume == place, 0, Mux(place, self.entry0.bursts, self.entry1.bursts))
            m.d.comb += [
                Assert(Mux(place, used[1], used[0]), "it is queued"),
                Assert(Mux(place, self.entry1, self.entry0) == followed.as_value(), "as it came"),
                Assert((ahead == at_head + before) & (done == 0), "behind those before it"),
            ]
        with m.Elif(following):
            unchanged = ("row", "skip_first", "skip_last", "write", "masked")
            m.d.comb += [
                Assert(self.valid & (ahead == 0) & (done < followed.bursts), "it is at the head"),
                Assert(Cat(self.head[name] == followed[name] for name in unchanged).all(), "of its kind"),
                Assert((self.head.burst == (followed.burst + done)[:6]) & (self.head.slot == (followed.slot + done)[:9])
                       & (self.head.bursts == followed.bursts - done) & (self.first == (done == 0)), "so far"),
            ]
