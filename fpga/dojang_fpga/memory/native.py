"""From the memory port to LiteDRAM's native port."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import WORD_BITS
from dojang_hdl.memory import LENGTH_BITS, MemoryPort, MemoryWrite
from dojang_hdl.memory_control import CONTROL_WINDOW, WINDOW_BITS
from dojang_hdl.streams.buffer import Buffer

from .word_fifo import WordFifo

__all__ = ["ControlPort", "NativeAdapter", "NativePort"]

READ_WORDS, WRITE_WORDS = 128, 32
"""Words that have been asked for and not taken, and that wait to be written."""


class NativePort(wiring.Signature):
    """Master's view of LiteDRAM's native port.

    Members
    -------
    command: Out stream; ``addr`` in units of ``data_bits``.
    write: Out stream of data and byte mask. The controller takes a word when it wants one and does not look at valid:
        it has to be there before its command is given.
    read, read_valid: data that comes back in order and cannot be held up.
    """

    def __init__(self, address_bits: int, data_bits: int):
        super().__init__({
            "command": Out(stream.Signature(data.StructLayout({"write": 1, "addr": address_bits}))),
            "write": Out(stream.Signature(data.StructLayout({"data": data_bits, "mask": data_bits // 8}))),
            "read": In(data_bits), "read_valid": In(1),
        })


class ControlPort(wiring.Signature):
    """Master's view of the registers: ``write`` is a strobe; ``data`` belongs to the ``address`` of two cycles ago."""

    def __init__(self):
        super().__init__({"address": Out(WINDOW_BITS), "write": Out(1), "write_data": Out(32), "data": In(32)})


class NativeAdapter(wiring.Component):
    """Splits commands into native ones, one offered a cycle; reads are given only when there is room for their words.

    Addresses of the control window go to ``control``, each when everything before it has ended; all others wrap at the
    size of the memory. The order of commands is the controller's: kept, for one master.

    Parameters
    ----------
    address_bits, data_bits: of the native port; ``data_bits`` times a power of two is a word.

    Members
    -------
    port: `MemoryPort`; commands of up to 1,023 words.
    native: `NativePort`.
    control: `ControlPort`.
    """

    def __init__(self, address_bits: int, data_bits: int):
        self._beats = WORD_BITS // data_bits
        if self._beats * data_bits != WORD_BITS or self._beats & (self._beats - 1):
            raise ValueError(f"data_bits={data_bits}, expected {WORD_BITS} divided by a power of two")
        self._address_bits, self._data_bits = address_bits, data_bits
        super().__init__({"port": In(MemoryPort()), "native": Out(NativePort(address_bits, data_bits)),
                          "control": Out(ControlPort())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.writes = writes = WordFifo(MemoryWrite, WRITE_WORDS)
        m.submodules.reads = reads = WordFifo(WORD_BITS, READ_WORDS)
        m.submodules.commands = commands = Buffer(self.native.command.payload.shape())
        wiring.connect(m, wiring.flipped(self.port.write), writes.i)
        wiring.connect(m, reads.o, wiring.flipped(self.port.read))
        wiring.connect(m, commands.o, wiring.flipped(self.native.command))

        places = max(self._address_bits - (self._beats - 1).bit_length(), WINDOW_BITS)   # bits of an address
        command = Signal(data.StructLayout({"write": 1, "addr": places, "length": LENGTH_BITS}))
        active, last, control = Signal(), Signal(), Signal()
        step = Signal()     # a word's command has been given
        incoming = self.port.command.payload
        m.d.comb += self.port.command.ready.eq(~active | step & last)
        with m.If(self.port.command.ready):
            m.d.sync += [
                active.eq(self.port.command.valid & (incoming.length != 0)), command.write.eq(incoming.write),
                command.addr.eq(incoming.addr), command.length.eq(incoming.length),
                last.eq(incoming.length == 1),
                control.eq((incoming.addr & CONTROL_WINDOW) == CONTROL_WINDOW),
            ]
        with m.Elif(step):
            m.d.sync += [command.addr.eq(command.addr + 1), command.length.eq(command.length - 1),
                         last.eq(command.length == 2)]

        given, taken, arrived = Signal(), Signal(), Signal(2)
        asked = Signal(range(READ_WORDS + 1))       # reserved places of `reads`
        written = Signal(range(WRITE_WORDS + 3))    # words of `writes` without a command yet
        owed = Signal(range(WRITE_WORDS + 3))       # words of `writes` whose commands have been given
        read_step, write_step = Signal(), Signal()
        m.d.comb += [read_step.eq(step & ~command.write), write_step.eq(step & command.write)]
        m.d.sync += [
            arrived.eq(Cat(writes.i.valid & writes.i.ready, arrived)),
        ]
        for count, more, less in ((asked, read_step, self.port.read.valid & self.port.read.ready),
                                  (written, arrived[-1], write_step), (owed, write_step, taken)):
            with m.If(more != less):
                m.d.sync += count.eq(count + Mux(less, -1, 1))

        m.d.comb += [
            commands.i.valid.eq(active & ~control & Mux(command.write, written != 0, asked != READ_WORDS)),
            commands.i.payload.write.eq(command.write),
        ]
        beat, final = self._beat(m, commands.i.valid & commands.i.ready)
        m.d.comb += [
            commands.i.payload.addr.eq(Cat(beat, command.addr)),
            step.eq(Mux(control, given, commands.i.valid & commands.i.ready & final)),
        ]
        self._write(m, writes, taken, given & command.write)
        settled = Signal()
        m.d.sync += settled.eq(active & control & (asked == 0) & (owed == 0) & ~given)
        self._control(m, settled, command, writes, reads, given)
        return m

    def _beat(self, m, move):
        """Number of the part of a word, and whether it is the last."""
        if self._beats == 1:
            return Const(0, 0), Const(1)
        beat = Signal(range(self._beats))
        with m.If(move):
            m.d.sync += beat.eq(beat + 1)
        return beat, beat == self._beats - 1

    def _write(self, m, writes, taken, by_control):
        """``taken``: the controller or ``by_control`` has taken the word at the output of ``writes``."""
        native, word = self.native.write, writes.o.payload
        move = native.valid & native.ready
        beat, final = self._beat(m, move)
        data_parts = data.ArrayLayout(self._data_bits, self._beats)(word.data)
        mask_parts = data.ArrayLayout(self._data_bits // 8, self._beats)(word.mask)
        m.d.comb += [
            native.valid.eq(writes.o.valid),
            native.payload.data.eq(data_parts[beat] if self._beats > 1 else word.data),
            native.payload.mask.eq(mask_parts[beat] if self._beats > 1 else word.mask),
            taken.eq(move & final | by_control),
            writes.o.ready.eq(taken),
        ]

    def _control(self, m, ready, command, writes, reads, given):
        """Registers when ``ready``; what is read joins the words that the memory has read."""
        gathered, complete = Signal(WORD_BITS), Signal()
        _, final = self._beat(m, self.native.read_valid)
        m.d.sync += complete.eq(self.native.read_valid & final)
        with m.If(self.native.read_valid):
            m.d.sync += gathered.eq(Cat(gathered, self.native.read)[-WORD_BITS:])
        looked = Signal()    # the register's value is there in the next cycle
        m.d.comb += [
            self.control.address.eq(command.addr[:WINDOW_BITS]), self.control.write_data.eq(writes.o.payload.data[:32]),
            self.control.write.eq(ready & command.write & writes.o.valid),
            given.eq(Mux(command.write, self.control.write, ready & looked)),
            reads.i.valid.eq(complete | given & ~command.write),
            reads.i.payload.eq(Cat(Mux(complete, gathered[:32], self.control.data), gathered[32:])),
        ]
        m.d.sync += looked.eq(ready & ~command.write & ~given)
