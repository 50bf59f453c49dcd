"""Which words come back, in which block, and which of them are wanted."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import LENGTH_BITS
from .jobs import Job, Purpose
from .layout import CLUSTER, SHORT

__all__ = ["Block", "BlockWalker"]

Block = data.StructLayout({
    "purpose": Purpose, "raw": 1, "tile": 1, "addr": 32, "skip": LENGTH_BITS, "until": LENGTH_BITS,
    "words": LENGTH_BITS, "left": LENGTH_BITS, "last": 1})
"""`words` data words (behind a header, unless raw) from address `addr` on, of which those from `skip` to before `until`
are wanted; `left` are still wanted of the job, these included; the job's `last` block.
"""


class BlockWalker(wiring.Component):
    """Cuts jobs into blocks. One every three cycles, as long as they are read in more.

    Parameters
    ----------
    tile: data words of a tile, a power of two; also the most of a raw block.

    Members
    -------
    i: In stream of `Job`. o: Out stream of `Block`.
    """

    def __init__(self, tile: int):
        self._tile = tile
        super().__init__({"i": In(stream.Signature(Job)), "o": Out(stream.Signature(Block))})

    def elaborate(self, platform):
        m = Module()
        job = Signal(Job)
        skip, room, short = Signal(LENGTH_BITS), Signal(LENGTH_BITS), Signal()
        block = Signal(Block)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += job.eq(self.i.payload)
                with m.If(self.i.valid):
                    m.next = "ROOM"
            with m.State("ROOM"):
                offset = Mux(job.raw, 0, job.addr[:LENGTH_BITS] & Mux(job.tile, self._tile - 1, CLUSTER - 1))
                m.d.sync += [skip.eq(offset), room.eq(Mux(job.raw | job.tile, self._tile, CLUSTER) - offset),
                             short.eq(job.length <= SHORT)]
                m.next = "CUT"
            with m.State("CUT"):
                ends = job.length <= room
                until = skip + Mux(ends, job.length, room)
                m.d.sync += [
                    block.purpose.eq(job.purpose), block.raw.eq(job.raw), block.tile.eq(job.tile),
                    block.addr.eq(Cat(job.addr[:LENGTH_BITS] & ~skip, job.addr[LENGTH_BITS:])),
                    block.skip.eq(skip), block.until.eq(until),
                    block.words.eq(Mux(job.raw, until, Mux(job.tile, Mux(short, self._tile, until), CLUSTER))),
                    block.left.eq(job.length),
                    block.last.eq(ends),
                    job.addr.eq(job.addr + room), job.length.eq(job.length - room),
                ]
                m.next = "OFFER"
            with m.State("OFFER"):
                with m.If(~self.o.valid | self.o.ready):
                    m.d.sync += [self.o.valid.eq(1), self.o.payload.eq(block)]
                    m.next = "ROOM"
                    with m.If(block.last):
                        m.next = "IDLE"
        return m
