"""The memory port: what every memory (ideal, LPDDR4, LiteDRAM adapter) offers to the chip."""

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from .config import WORD_BITS, WORD_BYTES
from .host.protocol import MEMORY_REGISTERS

__all__ = ["MemoryCommand", "MemoryCounting", "MemoryPort", "MemoryWrite"]

MemoryCommand = data.StructLayout({"write": 1, "addr": 32, "length": 9})
"""`length` words (1 to 256) from word address `addr`."""

MemoryWrite = data.StructLayout({"data": WORD_BITS, "mask": WORD_BYTES})
"""One word; mask bit i enables byte i."""


class MemoryPort(Signature):
    """Master's view of a memory: commands are executed in order, read words come back in order.

    A write command takes its words from ``write``, which may run ahead of or behind the command. A read after a
    write to the same word sees the written data. ``read`` must always drain in the end.

    Members
    -------
    command: Out stream of `MemoryCommand`.
    write: Out stream of `MemoryWrite`.
    read: In stream of words.
    """

    def __init__(self):
        super().__init__({
            "command": Out(stream.Signature(MemoryCommand)),
            "write": Out(stream.Signature(MemoryWrite)),
            "read": In(stream.Signature(WORD_BITS)),
        })


class MemoryCounting(Signature):
    """Master's view of a memory's own counters (`dojang_hdl.host.protocol.MEMORY_COUNTERS`).

    Members
    -------
    enable, clear: counters run; counters become 0.
    address, data: read of one counter; data belongs to the address of the cycle before.
    """

    def __init__(self):
        super().__init__({"enable": Out(1), "clear": Out(1), "address": Out(range(MEMORY_REGISTERS)), "data": In(32)})
