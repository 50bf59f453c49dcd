"""What the controller puts between splitter, write gather, buffers and banks neither loses nor passes anything."""

from types import SimpleNamespace

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib import stream
from amaranth.lib.wiring import In
from dojang_hdl.config import WORD_BITS
from dojang_hdl.lpddr4.bank import Access
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.ports import ports_of
from dojang_hdl.lpddr4.splitter import Piece
from dojang_hdl.lpddr4.timing import BANKS, PAGE_BURSTS, Lpddr4Config
from dojang_hdl.memory import MemoryCommand, MemoryWrite

from .contracts import room_stays, slots_stay, sound_access, sound_piece
from .prove import Harness

__all__ = ["Dispatch"]

SLOT_BITS = 9
"""256 slots of the read buffer, and their lap."""


class Dispatch(Harness):
    """Any commands and words; queues of banks that have room from any time on until an access comes, and buffers that
    have it at any time.

    A read piece becomes one access of its bank, in the cycle in which it leaves the splitter, with the next slots of
    the read buffer, and when nothing is pending that was written to its bank before. Write pieces go to the gather, and
    its accesses to the banks as they are. So every bank gets its accesses in the order of the commands. Of several
    ports it is the last one.
    """

    def __init__(self, config: Lpddr4Config, controller: type[Controller] = Controller):
        self._config, self._controller = config, controller
        self._number = config.ports - 1
        mark = self._number or ""
        splitter, gather = f"controller.splitter{mark}", f"controller.gather{mark}"
        self.inside = {
            "piece_valid": f"{splitter}.o__valid", "piece": f"{splitter}.o__payload",
            "piece_ready": f"{splitter}.o__ready", "pending": f"{gather}.pending", "flush": f"{gather}.flush",
            "gather_ready": f"{gather}.piece__ready", "gather_valid": f"{gather}.piece__valid",
            "gather_piece": f"{gather}.piece__payload", "write_valid": f"{gather}.o__valid",
            "write_ready": f"{gather}.o__ready", "write": f"{gather}.o__payload", "write_bank": f"{gather}.bank",
            "grouped": f"{gather}.grouped"}
        banks = config.port_banks
        super().__init__({
            "command": In(MemoryCommand), "command_valid": In(1), "word": In(MemoryWrite), "word_valid": In(1),
            "banks_ready": In(banks), "read_room": In(SLOT_BITS), "read_slot": In(SLOT_BITS), "write_room": In(1),
            "write_slot": In(7), "read_word": In(WORD_BITS), "read_valid": In(1), "read_ready": In(1),
            "piece_valid": In(1), "piece": In(Piece), "piece_ready": In(1), "pending": In(banks),
            "flush": In(1), "gather_ready": In(1), "gather_valid": In(1), "gather_piece": In(Piece),
            "write_valid": In(1), "write_ready": In(1), "write": In(Access), "write_bank": In(3),
            "grouped": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        machines = [SimpleNamespace(access=stream.Signature(Access).create(path=(f"bank{bank}",)))
                    for bank in range(self._config.port_banks)]
        read_buffer = SimpleNamespace(o=stream.Signature(WORD_BITS).create(path=("read",)), take=Signal(7),
                                      room=self.read_room, slot=self.read_slot)
        write_buffer = SimpleNamespace(word=Signal(MemoryWrite), half=Signal(), en=Signal(), take=Signal(),
                                       room=self.write_room, slot=self.write_slot)
        config, number = self._config, self._number

        class Dispatched(self._controller):
            """Nothing but the part in question."""

            def elaborate(self, platform):
                m = Module()
                self._dispatch(m, machines, read_buffer, write_buffer, number)
                return m

        m.submodules.controller = controller = Dispatched(config)
        port = ports_of(config, controller.port)[number]
        m.d.comb += [
            port.command.valid.eq(self.command_valid), port.command.payload.eq(self.command),
            port.write.valid.eq(self.word_valid), port.write.payload.eq(self.word),
            port.read.ready.eq(self.read_ready), read_buffer.o.valid.eq(self.read_valid),
            read_buffer.o.payload.eq(self.read_word),
            *(machine.access.ready.eq(ready) for machine, ready in zip(machines, self.banks_ready, strict=True)),
            Assert((port.read.payload == self.read_word) & (port.read.valid == self.read_valid)
                   & (read_buffer.o.ready == self.read_ready), "words read leave as they are"),
        ]
        self._check(m, machines, read_buffer)
        return m

    def _check(self, m, machines, read_buffer):
        piece, bank = self.piece, self.piece.bank
        read_taken, write_taken, blocked = Signal(), Signal(), Signal()
        accepted = Cat(machine.access.valid & machine.access.ready for machine in machines)
        access = Signal(Access)
        m.d.comb += [
            Assume(~self.piece_valid | sound_piece(piece) & (bank < len(machines))),
            Assume(slots_stay(m, self.read_room, self.read_slot, read_buffer.take)),
            # "something is gathered" of `GatherWords`, of the banks of its pieces
            Assume(~self.write_valid | self.grouped & (self.write_bank < len(machines))),
            read_taken.eq(self.piece_valid & ~piece.write & self.piece_ready),
            write_taken.eq(self.write_valid & self.write_ready), blocked.eq(self.pending.bit_select(bank, 1)),
            access.eq(Array(machine.access.payload for machine in machines)[Mux(write_taken, self.write_bank, bank)]),
            Assert(~(read_taken & write_taken), "one access in a cycle"),
            Assert(accepted == Mux(write_taken, Const(1, BANKS) << self.write_bank,
                                   Mux(read_taken, Const(1, BANKS) << bank, 0))[:len(machines)],
                   "to its bank, and no other"),
            Assert(~write_taken | (access == self.write), "writes as they were gathered"),
            Assert(read_buffer.take == Mux(read_taken, access.bursts, 0), "a slot for every burst"),
            Assert(read_buffer.take <= self.read_room, "slots that are free"),
            Assert(self.gather_valid == (self.piece_valid & piece.write), "write pieces are gathered"),
            Assert(~self.gather_valid | (self.gather_piece == piece) & (self.gather_ready == self.piece_ready),
                   "as they were cut, once"),
            Assert(~self.piece_valid | piece.write | ~blocked | self.flush, "what is in a read's way is flushed"),
            Assert(~self.piece_valid | piece.write | blocked | self.write_valid | (self.read_room < PAGE_BURSTS)
                   | ~self.banks_ready.bit_select(bank, 1) | read_taken, "a read waits for nothing else"),
        ]
        with m.If(read_taken):
            m.d.comb += [
                Assert(~blocked, "what was written to the bank before is in its queue"),
                Assert(sound_access(access) & ~access.write & ~access.masked, "bursts of a row"),
                Assert((access.row == piece.row) & (Cat(access.skip_first, access.burst) == piece.word)
                       & (2 * access.bursts == piece.words + access.skip_first + access.skip_last), "its words"),
                Assert(access.slot == self.read_slot, "the next slots"),
            ]
        for index, machine in enumerate(machines):
            offered, valid, ready = Signal(Access), Signal(), Signal()
            m.d.sync += [offered.eq(machine.access.payload), valid.eq(machine.access.valid),
                         ready.eq(machine.access.ready)]
            m.d.comb += Assume(room_stays(m, machine.access.ready, machine.access.valid & machine.access.ready))
            m.d.comb += Assert(~valid | ready | machine.access.valid & (machine.access.payload == offered),
                               f"bank {index} is offered it until it takes it")
