"""Registers on the way to a memory."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import WORD_BITS
from .memory import MemoryCommand, MemoryPort, MemoryWrite
from .streams.buffer import Buffer

__all__ = ["RegisterSlice"]


class RegisterSlice(wiring.Component):
    """Cuts every combinational path of a `MemoryPort`, between blocks that lie apart. A cycle each way.

    Members
    -------
    port: of the master. memory: of the memory.
    """

    port: In(MemoryPort())
    memory: Out(MemoryPort())

    def elaborate(self, platform):
        m = Module()
        m.submodules.command = command = Buffer(MemoryCommand)
        m.submodules.write = write = Buffer(MemoryWrite)
        m.submodules.read = read = Buffer(WORD_BITS)
        wiring.connect(m, wiring.flipped(self.port.command), command.i)
        wiring.connect(m, command.o, wiring.flipped(self.memory.command))
        wiring.connect(m, wiring.flipped(self.port.write), write.i)
        wiring.connect(m, write.o, wiring.flipped(self.memory.write))
        wiring.connect(m, wiring.flipped(self.memory.read), read.i)
        wiring.connect(m, read.o, wiring.flipped(self.port.read))
        return m
