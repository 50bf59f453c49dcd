"""Writes whole clusters, and looks after those that are written."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import MemoryWrite
from ..streams.buffer import Buffer
from .checker import Sealer, Verdict
from .combiner import ClusterWrite, Combiner
from .emitter import Emitter
from .jobs import Job, Purpose
from .layout import CLUSTER
from .locate import Place
from .merger import SEALED, Merger
from .patrol import Patrol
from .read_log import PLACE
from .registers import Control
from .verifier import Verifier

__all__ = ["Writer"]

_INDEX = (CLUSTER - 1).bit_length()


class Writer(wiring.Component):
    """From written words to clusters in the memory that have been read back; and the patrol.

    Parameters
    ----------
    entries: clusters gathered at once.

    Members
    -------
    control: where the clusters are, and the patrol's interval. halt: no patrol now.
    i: words written. waiting: one of them has no place yet. flush: these should go to the memory. clusters, used: what
        has not gone yet, first what is gathered.
    jobs: reads of its own, the more urgent ones first: to be merged, verified, patrolled. old, old_en, restart, judged,
        verdict: what became of them (see `Reader`).
    verify_crc, sealer: see `Checker`.
    read, first, last: the chip reads clusters; see `ReadLog`.
    quiet: there is time for reading back.
    place, write: what goes to the memory. placing: see `Emitter`.
    idle: nothing is to be written. pending: something has not been read back.
    """

    def __init__(self, entries: int):
        self._entries = entries
        super().__init__({
            "control": In(Control), "halt": In(1), "i": In(stream.Signature(ClusterWrite)), "flush": In(entries),
            "waiting": Out(1),
            "clusters": Out(data.ArrayLayout(32 - _INDEX, entries + SEALED)), "used": Out(entries + SEALED),
            "jobs": Out(stream.Signature(Job)).array(3), "old": In(WORD_BITS), "old_en": In(1), "restart": In(1),
            "judged": In(1), "verdict": In(Verdict), "verify_crc": Out(32), "sealer": Out(Sealer()),
            "read": In(1), "first": In(PLACE.stop), "last": In(PLACE.stop), "quiet": In(1),
            "place": Out(stream.Signature(Place)), "write": Out(stream.Signature(MemoryWrite)), "placing": Out(1),
            "idle": Out(1), "pending": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.combiner = combiner = Combiner(self._entries)
        m.submodules.merger = merger = Merger()
        m.submodules.emitter = emitter = Emitter()
        m.submodules.verifier = verifier = Verifier()
        m.submodules.patrol = patrol = Patrol()
        m.submodules.incoming = incoming = Buffer(ClusterWrite)     # the search for its cluster ends here
        wiring.connect(m, wiring.flipped(self.i), incoming.i)
        wiring.connect(m, incoming.o, combiner.i)
        wiring.connect(m, merger.sealer, wiring.flipped(self.sealer))
        wiring.connect(m, combiner.o, merger.i)
        wiring.connect(m, merger.o, emitter.i)
        wiring.connect(m, patrol.refresh, merger.refresh)
        wiring.connect(m, emitter.claim, verifier.claim)
        wiring.connect(m, emitter.place, wiring.flipped(self.place))
        wiring.connect(m, emitter.write, wiring.flipped(self.write))

        block = self.verdict.block
        mine = Signal(Purpose)
        m.d.comb += mine.eq(block.purpose)
        of_chip = Signal()      # a cluster that the chip reads
        m.d.comb += [
            of_chip.eq((mine == Purpose.READ) & ~block.tile & ~block.raw),
            self.clusters.eq(Cat(combiner.clusters, merger.clusters)), self.used.eq(Cat(combiner.used, merger.used)),
            combiner.flush.eq(self.flush), combiner.index.eq(merger.index), combiner.left.eq(merger.left),
            combiner.entry.eq(merger.entry),
            merger.word.eq(combiner.word),
            merger.old.eq(self.old), merger.old_en.eq(self.old_en), merger.restart.eq(self.restart),
            merger.judged.eq(self.judged & (mine == Purpose.MERGE)), merger.good.eq(self.verdict.good),
            merger.written.eq(emitter.written),
            emitter.sealed_word.eq(merger.sealed_word), merger.sealed_index.eq(emitter.sealed_index),
            emitter.read.eq(self.read), emitter.first.eq(self.first), emitter.last.eq(self.last),
            emitter.done.eq(self.judged & block.last & of_chip),
            self.placing.eq(emitter.placing), self.verify_crc.eq(verifier.crc),
            verifier.written.eq(emitter.written), verifier.idle.eq(self.quiet),
            verifier.verified.eq(self.judged & (mine == Purpose.VERIFY)),
            verifier.seen.eq(block.addr >> _INDEX), verifier.seen_crc.eq(self.verdict.crc),
            verifier.seen_en.eq(self.judged & self.verdict.good & of_chip),
            patrol.interval.eq(self.control.patrol), patrol.start.eq(self.control.tiles_end),
            patrol.end.eq(self.control.end),
            patrol.halt.eq(self.halt), patrol.read.eq(self.judged & (mine == Purpose.PATROL)),
            patrol.found.eq(self.judged & (mine == Purpose.PATROL) & self.verdict.good & self.verdict.fixed),
            patrol.cluster.eq(block.addr >> _INDEX),
            self.waiting.eq(incoming.o.valid), self.pending.eq(verifier.pending),
            self.idle.eq(~self.waiting & (combiner.used == 0) & merger.idle & emitter.idle),
        ]
        for job, outside in zip((merger.job, verifier.job, patrol.job), self.jobs, strict=True):
            wiring.connect(m, job, wiring.flipped(outside))
        return m
