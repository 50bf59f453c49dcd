"""The memory port: what every memory (ideal, LPDDR4, LiteDRAM adapter) offers to the chip."""

from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out, Signature

from .config import WORD_BITS, WORD_BYTES
from .counters import MEMORY_REGISTERS

__all__ = ["LENGTH_BITS", "MemoryCommand", "MemoryStatus", "MemoryPort", "MemoryWrite"]

LENGTH_BITS = 10
"""Of a command's words: two tiles of 256 and their headers, 514 at most."""

MemoryCommand = data.StructLayout({"write": 1, "addr": 32, "length": LENGTH_BITS})
"""`length` words (1 to 1,023; masters of a `dojang_hdl.guard.guard.Guard` 256 at most) from word address `addr`."""

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


class MemoryStatus(Signature):
    """Master's view of what a memory has to say besides words. All of it may be tied to 0.

    Members
    -------
    enable, clear: counters run; counters become 0.
    address, data: read of one counter (`dojang_hdl.counters.MEMORY_COUNTERS`, `GUARD_COUNTERS`); data belongs to
        the address of the cycle before.
    guarded: there are registers and the memory as it is behind the port (docs/reference/guard.md).
    busy: writes have not been verified yet.
    error: wrong words have been delivered, or writes were lost.
    """

    def __init__(self):
        super().__init__({"enable": Out(1), "clear": Out(1), "address": Out(range(MEMORY_REGISTERS)), "data": In(32),
                          "guarded": In(1), "busy": In(1), "error": In(1)})
