"""Takes the chip's commands: what they are about is in the address."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import MemoryCommand, MemoryWrite
from ..memory_control import CONTROL_WINDOW
from ..streams.buffer import Buffer
from .combiner import ClusterWrite
from .jobs import Job
from .layout import CLUSTER, PHYSICAL_WINDOW, REGISTER_WINDOW
from .locate import Place
from .read_log import PLACE

__all__ = ["Front"]

_INDEX = (CLUSTER - 1).bit_length()

_AGE = 3
"""Cycles after which a command sees what became of those before it."""


class Front(wiring.Component):
    """Commands in order, words of clusters at one a cycle.

    Reads of clusters wait for gathered writes near them, reads of tiles for nothing. The windows wait until everything
    rests.

    Parameters
    ----------
    writes: clusters that can be waiting to be written.
    control_window: commands to it are for the memory; otherwise for the registers.

    Members
    -------
    command, write: of the chip's `MemoryPort`.
    tiles_end: first address behind the tiles.
    job: reads. cluster_read: a job is one of clusters (strobe), of the words from ``addr`` to ``last_addr``.
    cluster: words written.
    clusters, used: what waits to be written; writes_waiting: and something that is not seen there yet. flush: these
        should be. rest: everything should come to rest. resting: it has.
    place, raw: writes of the memory as it is, or of its control window.
    register, register_write, register_data, give: access to a register; ``give``: a cycle later its value is read.
    rejected, addr: a write to tiles is thrown away (strobe); address of the command.
    waiting: there is a command.
    """

    def __init__(self, writes: int, control_window: bool = False):
        self._control_window = control_window
        super().__init__({
            "command": In(stream.Signature(MemoryCommand)), "write": In(stream.Signature(MemoryWrite)),
            "tiles_end": In(32), "job": Out(stream.Signature(Job)), "cluster_read": Out(1),
            "cluster": Out(stream.Signature(ClusterWrite)),
            "clusters": In(data.ArrayLayout(32 - _INDEX, writes)), "used": In(writes), "writes_waiting": In(1),
            "flush": Out(writes), "rest": Out(1), "resting": In(1),
            "place": Out(stream.Signature(Place)), "raw": Out(stream.Signature(MemoryWrite)),
            "register": Out(2), "register_write": Out(1), "register_data": Out(WORD_BITS), "give": Out(1),
            "rejected": Out(1), "addr": Out(32), "last_addr": Out(PLACE.stop), "waiting": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.incoming = incoming = Buffer(MemoryCommand)
        wiring.connect(m, wiring.flipped(self.command), incoming.i)
        command, tile, age = Signal(MemoryCommand), Signal(), Signal(range(_AGE + 1))
        finished, step, to_register, begun = Signal(), Signal(), Signal(), Signal()
        offered = Signal()      # and not taken: it stays, whatever becomes of what allowed it
        with m.If(finished & to_register):   # what comes next depends on it
            m.d.sync += self.waiting.eq(0)
        with m.Elif(~self.waiting | finished):
            m.d.comb += incoming.o.ready.eq(1)
            m.d.sync += [self.waiting.eq(incoming.o.valid), command.eq(incoming.o.payload), age.eq(0), begun.eq(0),
                         tile.eq(incoming.o.payload.addr < self.tiles_end)]
        with m.Else():
            m.d.sync += age.eq(age + (age != _AGE))
            with m.If(step):
                m.d.sync += [command.addr.eq(command.addr + 1), command.length.eq(command.length - 1), begun.eq(1)]

        last_addr, near, found = self.last_addr, Signal(), Signal.like(self.used)   # found: those near
        in_cluster = slice(PLACE.start - _INDEX, PLACE.stop - _INDEX)
        those = Cat(
            used & ((cluster[in_cluster] == command.addr[PLACE]) | (cluster[in_cluster] == last_addr[PLACE]))
            for used, cluster in zip(self.used, self.clusters, strict=True))
        m.d.sync += [
            last_addr.eq(command.addr[:PLACE.stop] + (command.length - 1)[:len(command.length)]),
            found.eq(those), near.eq(self.writes_waiting | those.any()),
        ]
        settled, window, to_control, raw_addr = Signal(), Signal(), Signal(), Signal(32)
        if self._control_window:
            m.d.comb += to_control.eq((command.addr & CONTROL_WINDOW) == CONTROL_WINDOW)
        job, write = self.job.payload, self.write
        m.d.comb += [
            settled.eq(self.waiting & (age == _AGE)), self.addr.eq(command.addr),
            to_register.eq((command.addr & REGISTER_WINDOW).any() & ~to_control),
            raw_addr.eq(Cat(command.addr[:30], to_control.replicate(2))),
            window.eq((command.addr & (REGISTER_WINDOW | PHYSICAL_WINDOW)).any()),
            self.rest.eq(self.waiting & window),
            # All else stays to become whole.
            self.flush.eq(self.rest.replicate(len(found)) | found & (settled & ~command.write & ~tile)
                          .replicate(len(found))),
            job.raw.eq(window), job.tile.eq(tile), job.addr.eq(raw_addr), job.length.eq(command.length),
            self.cluster.payload.addr.eq(command.addr), self.cluster.payload.word.eq(write.payload),
            self.place.payload.write.eq(1), self.place.payload.raw.eq(1), self.place.payload.addr.eq(raw_addr),
            self.place.payload.length.eq(command.length),
            self.raw.payload.eq(write.payload),
            self.register.eq(command.addr), self.register_data.eq(write.payload.data),
        ]

        m.d.sync += offered.eq(self.job.valid & ~self.job.ready | self.place.valid & ~self.place.ready)

        def each_word(moved):
            m.d.comb += [step.eq(moved), finished.eq(moved & (command.length == 1))]

        with m.FSM():
            with m.State("COMMAND"), m.If(self.waiting):
                with m.If(to_register):
                    with m.If(settled & self.resting):
                        with m.If(command.write):
                            m.d.comb += [write.ready.eq(1), self.register_write.eq(write.valid)]
                            each_word(write.valid)
                        with m.Else():
                            m.d.comb += self.give.eq(1)
                            each_word(1)
                with m.Elif(window & command.write):
                    m.d.comb += self.place.valid.eq(settled & self.resting | offered)
                    with m.If(self.place.valid & self.place.ready):
                        m.next = "RAW"
                with m.Elif(~command.write):
                    m.d.comb += [
                        self.job.valid.eq(settled & (tile | window & self.resting | ~window & ~near)
                                          | tile & ~window | offered),
                        finished.eq(self.job.valid & self.job.ready),
                        self.cluster_read.eq(finished & ~tile & ~window),
                    ]
                with m.Elif(tile):
                    m.d.comb += [write.ready.eq(1), self.rejected.eq(write.valid & ~begun)]
                    each_word(write.valid)
                with m.Else():
                    m.d.comb += [self.cluster.valid.eq(write.valid), write.ready.eq(self.cluster.ready)]
                    each_word(write.valid & self.cluster.ready)
            with m.State("RAW"):
                m.d.comb += [self.raw.valid.eq(write.valid), write.ready.eq(self.raw.ready)]
                each_word(write.valid & self.raw.ready)
                with m.If(finished):
                    m.next = "COMMAND"
        return m
