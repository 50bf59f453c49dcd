"""The parts of the controller together, from the memory port to the commands and back: reads see what was written."""

from amaranth.hdl import Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.lpddr4.bank import BankMachine, Column
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.phy import PhyPort
from dojang_hdl.lpddr4.read_buffer import ReadBuffer
from dojang_hdl.lpddr4.scheduler import Sent
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.lpddr4.write_buffer import WriteBuffer
from dojang_hdl.memory import MemoryPort

from .prove import Harness

__all__ = ["ReadsSeeWrites"]

BANKS, QUEUE = 2, 2
"""Banks, and accesses of a bank's queue: 8 and 4 in the controller."""

READ_BURSTS, WRITE_BURSTS, IN_FLIGHT = 8, 4, 4
"""Slots of the buffers, reads in flight: 256, 64 and 32 in the controller."""

PLACE_BITS = 6
"""Words that commands begin with."""

INDEX_BITS = 4
"""Words written are told apart by their number."""


def _path(controller):
    class Path(controller):
        """The controller without initialisation, refresh and pins, with `BANKS` banks and any scheduler.

        In every cycle one bank may send a column command, and one a row command. ``sent`` and ``column`` are that
        of the cycle before, as with `Scheduler`.
        """

        def __init__(self, config):
            self.config = config
            wiring.Component.__init__(self, {
                "port": In(MemoryPort()), "phy": Out(PhyPort(config.ratio)), "hold": In(BANKS),
                "column_bank": In(range(BANKS)), "column_go": In(1), "row_bank": In(range(BANKS)), "row_go": In(1),
                "sent": Out(Sent), "column": Out(Column), "bank": Out(range(BANKS)), "rows": Out(17).array(BANKS),
            })

        def elaborate(self, platform):
            m = Module()
            config = self.config
            m.submodules.read_buffer = read_buffer = ReadBuffer(config, READ_BURSTS, IN_FLIGHT)
            m.submodules.write_buffer = write_buffer = WriteBuffer(config, WRITE_BURSTS)
            banks = [BankMachine(config, QUEUE) for _ in range(BANKS)]
            self._dispatch(m, banks, read_buffer, write_buffer)
            sent = Signal()
            m.d.sync += [sent.eq(0), self.bank.eq(self.column_bank)]
            m.d.comb += [
                self.sent.slot.eq(self.column.slot), self.sent.wanted.eq(self.column.wanted),
                self.sent.read.eq(sent & ~self.column.write), self.sent.write.eq(sent & self.column.write),
            ]
            for index, bank in enumerate(banks):
                m.submodules[f"bank{index}"] = bank
                port = bank.port
                m.d.comb += [
                    port.hold.eq(self.hold[index]),
                    port.column_taken.eq(port.column_ready & self.column_go & (self.column_bank == index)),
                    port.row_taken.eq(port.row_ready & self.row_go & (self.row_bank == index)),
                ]
                with m.If(port.column_taken):
                    m.d.sync += [sent.eq(1), self.column.eq(port.column)]
                with m.If(port.row_taken & port.activate):
                    m.d.sync += self.rows[index].eq(port.row)
            m.d.comb += [
                read_buffer.sent.eq(self.sent), write_buffer.sent.eq(self.sent),
                read_buffer.data.eq(self.phy.read), read_buffer.valid.eq(self.phy.read_valid),
                self.phy.write.eq(write_buffer.data), self.phy.mask.eq(write_buffer.mask),
                self.phy.write_valid.eq(write_buffer.valid),
            ]
            return m
    return Path


class ReadsSeeWrites(Harness):
    """Any commands of few words, and a memory of which one word, any, is kept; it answers after a fixed time.

    Every word read leaves in order, and what is read of the word that is kept is what was written to it last, in the
    order of the commands. Words written are numbered; ``enabled`` says which of them have their bytes enabled. Any
    bank may be held at any time.
    """

    kept = ("path.read_buffer.flags", "path.write_buffer.flags")

    def __init__(self, config: Lpddr4Config, controller: type[Controller] = Controller):
        self._config, self._controller = config, controller
        self._address = 10 + (config.rows - 1).bit_length()
        super().__init__({
            "write": In(1), "addr": In(PLACE_BITS), "length": In(2), "command_valid": In(1), "word_valid": In(1),
            "read_ready": In(1), "hold": In(BANKS), "column_bank": In(range(BANKS)), "column_go": In(1),
            "row_bank": In(range(BANKS)), "row_go": In(1), "follow": In(PLACE_BITS), "enabled": In(1 << INDEX_BITS),
            "mark": In(1), "other": In(2 * INDEX_BITS),
        })

    def _spread(self, place):
        """Address of one of a few words: at the start or the end of two rows of two banks."""
        return Cat(place[:3], place[3].replicate(4), place[4], Const(0, 2), place[5:],
                   Const(0, self._address - 5 - PLACE_BITS))

    def elaborate(self, platform):
        m = Module()
        m.submodules.path = path = _path(self._controller)(self._config)
        port = path.port
        follow, enabled, began = Signal(PLACE_BITS), Signal(1 << INDEX_BITS), Signal()
        m.d.sync += [follow.eq(self.follow), enabled.eq(self.enabled), began.eq(1)]
        written = Signal(INDEX_BITS)        # words so far
        m.d.comb += [
            Assume(~began | (self.follow == follow) & (self.enabled == enabled)),       # constants
            port.command.valid.eq(self.command_valid), port.command.payload.write.eq(self.write),
            port.command.payload.addr.eq(self._spread(self.addr)), port.command.payload.length.eq(self.length),
            port.write.valid.eq(self.word_valid), port.write.payload.data.eq(written + 1),
            port.write.payload.mask.eq(self.enabled.bit_select(written, 1).replicate(16)),
            port.read.ready.eq(self.read_ready), path.hold.eq(self.hold),
            path.column_bank.eq(self.column_bank), path.column_go.eq(self.column_go),
            path.row_bank.eq(self.row_bank), path.row_go.eq(self.row_go),
        ]
        with m.If(self.word_valid & port.write.ready):
            m.d.sync += written.eq(written + 1)
        self._program(m, port)
        self._memory(m, path)
        return m

    def _program(self, m, port):
        """What the commands mean, in their order."""
        offset, number, covers = Signal(self._address), Signal(INDEX_BITS), Signal()
        asked, value, waiting = Signal(INDEX_BITS), Signal(INDEX_BITS), Signal(8)
        accepted, leaves = self.command_valid & port.command.ready, port.read.valid & self.read_ready
        following, ahead, expected = Signal(), Signal(8), Signal(INDEX_BITS)
        m.d.comb += [
            offset.eq(self._spread(self.follow) - self._spread(self.addr)),
            covers.eq(accepted & (offset < self.length)), number.eq(asked + offset),
            Assert(~port.read.valid | (waiting != 0), "nothing leaves that was not asked for"),
            Assert(~(leaves & following & (ahead == 0)) | (port.read.payload[:INDEX_BITS] == expected),
                   "what was written last is read"),
        ]
        m.d.sync += waiting.eq(waiting + Mux(accepted & ~self.write, self.length, 0) - leaves)
        with m.If(accepted & self.write):
            m.d.sync += asked.eq(asked + self.length)
            with m.If(covers & self.enabled.bit_select(number, 1)):
                m.d.sync += value.eq(number + 1)
        with m.If(leaves & following):
            m.d.sync += [ahead.eq(ahead - 1), following.eq(ahead != 0)]
        with m.If(covers & ~self.write & self.mark & ~following):
            m.d.sync += [following.eq(1), ahead.eq(waiting - leaves + offset), expected.eq(value)]

    def _memory(self, m, path):
        """Bursts are written and read in the order of their commands, when written data are at the pins.

        A write that is not masked pays no heed to the mask.
        """
        address = self._spread(self.follow)
        word, place, bank, row = address[0], address[1:7], address[7:10], address[10:]
        column, sent = path.column, path.sent
        opened = Signal(17)     # when the command was taken
        m.d.sync += opened.eq(path.rows[0])
        with m.If(path.column_bank == 1):
            m.d.sync += opened.eq(path.rows[1])
        hit = (path.bank == bank) & (column.burst == place) & (opened == row)
        stages = [Cat(sent.read, sent.write, column.masked, hit)]
        for age in range(1, self._config.write_delay + 2):
            stage = Signal(4, name=f"stage{age}")
            m.d.sync += stage.eq(stages[-1])
            stages.append(stage)
        read, write, masked, hit = stages[-1]
        kept, answer, answered = Signal(INDEX_BITS), Signal(2 * INDEX_BITS), Signal()
        first = path.phy.write.as_value().word_select(word, 128)[:INDEX_BITS]
        mask = path.phy.mask.as_value().word_select(word, 16)[0]
        m.d.comb += Assert(write == path.phy.write_valid, "data for every write")
        with m.If(write & hit & ~(masked & mask)):
            m.d.sync += kept.eq(first)
        m.d.sync += [answered.eq(read), answer.eq(self.other)]
        with m.If(hit):
            m.d.sync += answer.word_select(word, INDEX_BITS).eq(kept)
        m.d.comb += [
            path.phy.read_valid.eq(answered),
            path.phy.read.as_value().eq(
                Cat(answer[:INDEX_BITS], Const(0, 128 - INDEX_BITS), answer[INDEX_BITS:])),
        ]
