"""Planes on their way from the decoder to the lanes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory

__all__ = ["PlaneQueue"]

DEPTH = 64
MARGIN = 16
"""Places for what may go between two looks at ``room``: two units of six planes."""


class PlaneQueue(wiring.Component):
    """A queue in block RAM of which units are sure before they are decoded, so that nothing in front of it ever stops.

    Parameters
    ----------
    width: bits of a plane.

    Members
    -------
    room: a unit may be reserved in one of the next two cycles; a register.
    reserve, planes: a unit will come; how many planes it has.
    i_valid, i: a plane, reserved before.
    o: the planes; the first one `latency` cycles after ``i_valid``. ``valid`` is a register.
    """

    latency = 2

    def __init__(self, width: int):
        self._width = width
        super().__init__({
            "room": Out(1), "reserve": In(1), "planes": In(3), "i_valid": In(1), "i": In(width),
            "o": Out(stream.Signature(width)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = BlockMemory(self._width, DEPTH)
        write, read = memory.write, memory.read[0]
        free, stored = Signal(range(DEPTH + 1), init=DEPTH), Signal(range(DEPTH + 1))
        fetch = Signal()
        m.d.comb += [
            fetch.eq((stored != 0) & (~self.o.valid | self.o.ready)),
            write.en.eq(self.i_valid), write.data.eq(self.i), read.en.eq(fetch), self.o.payload.eq(read.data),
        ]
        m.d.sync += [
            free.eq(free + fetch - (self.planes & self.reserve.replicate(len(self.planes)))),
            stored.eq(stored + self.i_valid - fetch), self.room.eq(free >= MARGIN),
            self.o.valid.eq(fetch | self.o.valid & ~self.o.ready),
        ]
        with m.If(self.i_valid):
            m.d.sync += write.addr.eq(write.addr + 1)
        with m.If(fetch):
            m.d.sync += read.addr.eq(read.addr + 1)
        return m
