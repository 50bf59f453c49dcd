"""Reads on their way, kept until what they read has been found right."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, enum, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import LENGTH_BITS
from ..streams.first import take_first

__all__ = ["Job", "JobRing", "Purpose"]


class Purpose(enum.Enum, shape=2):
    """What becomes of the words: the chip gets them; a write is merged into them; nothing, they are only checked."""

    READ = 0
    MERGE = 1
    PATROL = 2
    VERIFY = 3


Job = data.StructLayout({"purpose": Purpose, "raw": 1, "tile": 1, "addr": 32, "length": LENGTH_BITS})
"""`length` data words from word address `addr` on, of tiles or not (raw: of the memory as it is)."""


class JobRing(wiring.Component):
    """Hands out every job twice, to be sent and to be received, and both again after a restart.

    Parameters
    ----------
    sources: who has jobs.
    depth: jobs, a power of two.

    Members
    -------
    i: new jobs, those of earlier sources first.
    issue, walk: the jobs in order, each on its own.
    retire: the oldest job is done.
    hold: nothing is taken from ``i``.
    restart: begin again with ``oldest`` in place of the oldest job; on ``hold`` only, and ``retire`` rests meanwhile.
        What is offered then is not kept, as in a reset.
    empty: nothing is on its way.
    """

    def __init__(self, sources: int, depth: int = 16):
        self._depth = depth
        super().__init__({
            "i": In(stream.Signature(Job)).array(sources), "issue": Out(stream.Signature(Job)),
            "walk": Out(stream.Signature(Job)),
            "retire": In(1), "hold": In(1), "restart": In(1), "oldest": In(Job), "empty": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.ring = ring = memory.Memory(shape=Job, depth=self._depth, init=[])
        write, issue, walk = ring.write_port(), ring.read_port(domain="comb"), ring.read_port(domain="comb")
        head, tail, issued, walked = (Signal(range(2 * self._depth), name=name)
                                      for name in ("head", "tail", "issued", "walked"))
        index = slice(0, len(head) - 1)
        count = Signal.like(head)
        room, put = Signal(), Signal()      # after what is taken now
        offered, new = take_first(m, self.i, room & ~self.hold)
        m.d.comb += [
            count.eq(tail - head), self.empty.eq(count == 0),
            put.eq(offered & room & ~self.hold),
            write.en.eq(put | self.restart),
            write.addr.eq(Mux(self.restart, head[index], tail[index])),
            write.data.eq(Mux(self.restart, self.oldest.as_value(), new.as_value())),
            issue.addr.eq(issued[index]), self.issue.payload.eq(issue.data), self.issue.valid.eq(issued != tail),
            walk.addr.eq(walked[index]), self.walk.payload.eq(walk.data), self.walk.valid.eq(walked != tail),
        ]
        m.d.sync += [tail.eq(tail + put), head.eq(head + self.retire), room.eq(count < self._depth - 1)]
        with m.If(self.restart):
            m.d.sync += [issued.eq(head), walked.eq(head)]
        with m.Else():
            m.d.sync += [issued.eq(issued + (self.issue.valid & self.issue.ready)),
                         walked.eq(walked + (self.walk.valid & self.walk.ready))]
        return m
