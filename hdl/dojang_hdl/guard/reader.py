"""Reads blocks, and again what was wrong."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import LENGTH_BITS
from .blocks import BlockWalker
from .checker import Checker, Sealer, Verdict
from .jobs import Job, JobRing, Purpose
from .store import Store

__all__ = ["Reader"]

_OUTSTANDING_BITS = LENGTH_BITS + 4
"""For 16 jobs."""


class Reader(wiring.Component):
    """From jobs to words that have been checked. A block that is wrong is read again once, and all that follows it.

    Parameters
    ----------
    tile: data words of a tile, a power of two.
    sources: who has jobs.

    Members
    -------
    jobs: what is to be read, those of earlier sources first.
    issue: jobs for the memory; on ``restart`` what is offered is not kept. sent, sent_words: a command for so many
        words has been given to it. idle: none is being made.
    i: the memory's words. busy: at least 256 of them are on their way.
    o: words of READ jobs. give, given: one more word, while nothing is being read; of those after ``room`` has fallen
        five at most.
    verify_crc: see `Checker`.
    old, old_en: words of MERGE jobs. restart: they come again from the first on.
    judged, verdict: a block is done with, right or not.
    again: a block is going to be read again (strobe); ``verdict`` says which.
    corrected: a word was corrected (strobe).
    empty: nothing is being read.
    sealer: see `Checker`; what has begun is lost on ``restart``.
    """

    def __init__(self, tile: int, sources: int):
        self._tile, self._sources = tile, sources
        super().__init__({
            "jobs": In(stream.Signature(Job)).array(sources), "issue": Out(stream.Signature(Job)),
            "sent": In(1), "sent_words": In(LENGTH_BITS), "idle": In(1), "i": In(stream.Signature(WORD_BITS)),
            "busy": Out(1),
            "o": Out(stream.Signature(WORD_BITS)), "give": In(1), "given": In(WORD_BITS), "room": Out(1),
            "verify_crc": In(32),
            "old": Out(WORD_BITS), "old_en": Out(1), "restart": Out(1), "judged": Out(1), "verdict": Out(Verdict),
            "again": Out(1), "corrected": Out(1), "empty": Out(1),
            "sealer": In(Sealer()),
        })

    def elaborate(self, platform):
        m = Module()
        draining = Signal()     # what is on its way is thrown away
        m.submodules.ring = ring = JobRing(self._sources)
        m.submodules.store = store = Store(2 * self._tile)
        m.submodules.walker = walker = ResetInserter(draining)(BlockWalker(self._tile))
        m.submodules.checker = checker = ResetInserter(draining)(Checker())
        for job, taken in zip(self.jobs, ring.i, strict=True):
            wiring.connect(m, wiring.flipped(job), taken)
        wiring.connect(m, ring.walk, walker.i)
        wiring.connect(m, walker.o, checker.block)
        wiring.connect(m, store.o, wiring.flipped(self.o))
        wiring.connect(m, wiring.flipped(self.sealer), checker.sealer)

        second, on_their_way = Signal(), Signal(_OUTSTANDING_BITS)
        verdict, block = checker.verdict, checker.verdict.block
        oldest = Signal(Job)
        m.d.comb += [
            self.issue.payload.eq(ring.issue.payload), self.issue.valid.eq(ring.issue.valid & ~draining),
            ring.issue.ready.eq(self.issue.ready & ~draining),
            checker.verify_crc.eq(self.verify_crc), checker.i.payload.eq(self.i.payload),
            checker.i.valid.eq(self.i.valid), checker.hold.eq(~store.room | draining),
            self.i.ready.eq(draining | checker.i.ready),

            self.verdict.eq(verdict), self.corrected.eq(checker.corrected & ~draining),
            self.judged.eq(checker.judged & ~draining & (verdict.good | second)),
            self.again.eq(checker.judged & ~draining & ~verdict.good & ~second),
            self.restart.eq(draining), self.empty.eq(ring.empty), self.room.eq(store.room),
            ring.retire.eq(self.judged & block.last), ring.oldest.eq(oldest),
            ring.hold.eq(draining), ring.restart.eq(draining & self.idle & (on_their_way == 0)),

            self.old.eq(checker.word), self.old_en.eq(checker.en & ~draining & (checker.purpose == Purpose.MERGE)),
            store.rollback.eq(draining),
        ]
        m.d.sync += on_their_way.eq(on_their_way + Mux(self.sent, self.sent_words, 0)
                                    - (self.i.valid & self.i.ready))
        m.d.sync += self.busy.eq(on_their_way[8:].any())
        with m.If(self.again):
            m.d.sync += [
                draining.eq(1), second.eq(1), oldest.purpose.eq(block.purpose), oldest.raw.eq(block.raw),
                oldest.tile.eq(block.tile), oldest.length.eq(block.left),
                oldest.addr.eq(Cat(block.addr[:LENGTH_BITS] | block.skip, block.addr[LENGTH_BITS:]))]
        with m.Elif(self.judged):
            m.d.sync += second.eq(0)
        with m.If(ring.restart):
            m.d.sync += draining.eq(0)

        given, read = Signal(), checker.purpose == Purpose.READ
        m.d.sync += given.eq(self.give)
        m.d.comb += [
            store.word.eq(Mux(self.give, self.given, checker.word)),
            store.en.eq(self.give | checker.en & ~draining & read),
            store.mark.eq(self.give | checker.mark & ~draining & read),
            store.commit.eq(given | self.judged & (block.purpose == Purpose.READ)),
        ]
        return m
