"""Memories for simulation: in order, one word per cycle, a fixed read latency."""

from abc import abstractmethod
from pathlib import Path
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In
from dojang_hdl.config import WORD_BITS, WORD_BYTES
from dojang_hdl.memory import MemoryCommand, MemoryPort

__all__ = ["SOURCES", "IdealMemory", "SramMemory"]

SOURCES = tuple(Path(__file__).with_name(name) for name in ("ideal_memory.v", "ideal_memory.cpp"))
"""What a Verilator build needs besides the Verilog of a design with `IdealMemory`."""


class _LatentMemory(wiring.Component):
    """Executes one word per cycle and holds read words back until their time has come.

    Parameters
    ----------
    words: size in 128-bit words.
    latency: cycles from a read command's transfer to its first word, at least 3. Commands overlap without bubbles.
    pauses: seed of random pauses, short ones often and long ones seldom, as refreshes and row changes cause them;
        0 for none.
    """

    port: In(MemoryPort())

    def __init__(self, words: int, latency: int, pauses: int = 0):
        if words < 1:
            raise ValueError(f"words={words}, expected at least 1")
        if latency < 3:
            raise ValueError(f"latency={latency}, expected at least 3 cycles")
        self.words, self.latency, self._pauses = words, latency, pauses
        super().__init__()

    @abstractmethod
    def storage(self, m, en, write, addr) -> Any:
        """Add the array to ``m`` and return the read word, valid one cycle after ``en & ~write``."""

    def elaborate(self, platform):
        m = Module()
        port = self.port
        depth = self.latency + 2
        command = Signal(MemoryCommand)
        active, go, pop = Signal(), Signal(), Signal()
        held = Signal(range(depth + 1))        # words executed and not yet delivered
        available = Signal(range(depth + 1))   # of these, those whose time has come
        pushed = Signal(self.latency - 2)      # read executions of the latest cycles
        read = Signal()
        pause = self._pause(m) if self._pauses else Const(0)
        m.d.comb += [
            go.eq(active & ~pause & Mux(command.write, port.write.valid, held != depth)),
            read.eq(go & ~command.write),
            port.write.ready.eq(active & ~pause & command.write),
            port.command.ready.eq(~active & ~pause | go & (command.length == 1)),
            port.read.valid.eq(available != 0),
            pop.eq(port.read.valid & port.read.ready),
        ]
        with m.If(port.command.ready):
            m.d.sync += [command.eq(port.command.payload),
                         active.eq(port.command.valid & (port.command.payload.length != 0))]
        with m.Elif(go):
            m.d.sync += [command.addr.eq(command.addr + 1), command.length.eq(command.length - 1)]
        m.d.sync += [
            held.eq(held + read - pop),
            pushed.eq(Cat(read, pushed)),
            available.eq(available + pushed[self.latency - 3] - pop),
        ]
        word = self.storage(m, go, command.write, command.addr)
        m.submodules.delay = delay = memory.Memory(shape=WORD_BITS, depth=depth, init=[])
        delay_write, delay_read = delay.write_port(), delay.read_port(domain="comb")
        m.d.comb += [delay_write.en.eq(pushed[0]), delay_write.data.eq(word), port.read.payload.eq(delay_read.data)]
        for enable, pointer in ((pushed[0], delay_write.addr), (pop, delay_read.addr)):
            with m.If(enable):
                m.d.sync += pointer.eq(Mux(pointer == depth - 1, 0, pointer + 1))
        return m

    def _pause(self, m):
        """High in a quarter of all cycles, and every 1024 cycles or so for up to 63 cycles."""
        noise = Signal(32, init=self._pauses)
        long = Signal(6)
        m.d.sync += noise.eq(Cat(noise[31] ^ noise[21] ^ noise[1] ^ noise[0], noise))
        with m.If(noise[8:18] == 0):
            m.d.sync += long.eq(noise[20:26])
        with m.Elif(long != 0):
            m.d.sync += long.eq(long - 1)
        return noise[3] & noise[7] | (long != 0)


class SramMemory(_LatentMemory):
    """A small memory in plain Amaranth, for Amaranth's own simulator. Addresses wrap at ``words``, a power of two.

    ``init`` are the first words. ``contents`` is the array; benches may read and change its elements.
    """

    def __init__(self, words: int, latency: int = 8, init=(), pauses: int = 0):
        self.contents = memory.MemoryData(shape=WORD_BITS, depth=words, init=init)
        super().__init__(words, latency, pauses)

    def storage(self, m, en, write, addr):
        m.submodules.array = array = memory.Memory(self.contents)
        write_port, read_port = array.write_port(granularity=8), array.read_port()
        m.d.comb += [
            write_port.addr.eq(addr), write_port.data.eq(self.port.write.payload.data),
            write_port.en.eq(Mux(en & write, self.port.write.payload.mask, 0)),
            read_port.addr.eq(addr), read_port.en.eq(en & ~write),
        ]
        return read_port.data


class IdealMemory(_LatentMemory):
    """A memory channel that is an image file, mapped shared: what the chip writes is in the file at once.

    The file's name is in the environment variable ``DOJANG_MEMORY_<channel>`` when the simulation starts; its size must
    be 16 bytes times ``words``. A missing file, a wrong size and an access beyond the end stop the simulation with a
    message. Simulation only: needs `SOURCES` in the Verilator build.
    """

    def __init__(self, channel: int, words: int, latency: int = 32, pauses: int = 0):
        self.channel = channel
        super().__init__(words, latency, pauses)

    def storage(self, m, en, write, addr):
        word = Signal(WORD_BITS)
        m.submodules.array = Instance(
            "ideal_memory", p_CHANNEL=self.channel, p_WORDS=self.words, i_clk=ClockSignal(), i_en=en, i_write=write,
            i_addr=addr, i_wdata=self.port.write.payload.data, i_mask=self.port.write.payload.mask, o_rdata=word)
        return word


assert WORD_BYTES * 8 == WORD_BITS == 128, "ideal_memory.v and .cpp are written for 128-bit words"
