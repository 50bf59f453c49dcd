"""Gives whole clusters to the memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import MemoryWrite
from .layout import CLUSTER
from .locate import Place
from .merger import Written
from .read_log import PLACE, ReadLog

__all__ = ["Emitter"]

_INDEX = (CLUSTER - 1).bit_length()

class Emitter(wiring.Component):
    """One command of nine words for each cluster; the next one is claimed meanwhile.

    A cluster waits for the chip's reads near it that were taken before it came: should they have to be repeated, they
    still find what they were to read. Reads elsewhere go on.

    Members
    -------
    i: In stream of `Written`, taken when it begins to be written. sealed_index, sealed_word: of the one taken last; see
        `Merger`.
    read, first, last, done: the chip's reads of clusters; see `ReadLog`.
    claim: what is going to be written; taken when its verification can be noted. written: the oldest of these is
        (strobe).
    place: where to.
    write: Out stream of `MemoryWrite`.
    idle: nothing is being written. placing: what waits for the memory only is.
    """

    i: In(stream.Signature(Written))
    sealed_index: Out(_INDEX + 1)
    sealed_word: In(WORD_BITS)
    read: In(1)
    first: In(PLACE.stop)
    last: In(PLACE.stop)
    done: In(1)
    claim: Out(stream.Signature(Written))
    written: Out(1)
    place: Out(stream.Signature(Place))
    write: Out(stream.Signature(MemoryWrite))
    idle: Out(1)
    placing: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.log = log = ReadLog()
        cluster, place = Signal(32 - _INDEX), self.place.payload    # what is being written
        at, word = Signal(_INDEX + 1), Signal(WORD_BITS)    # what ``sealed_word`` is, behind the header; the one before
        begin, free = Signal(), Signal()
        sent = self.write.valid & self.write.ready
        m.d.comb += [
            log.read.eq(self.read), log.first.eq(self.first), log.last.eq(self.last), log.done.eq(self.done),
            log.addr.eq(self.i.payload.cluster << _INDEX), self.claim.payload.eq(self.i.payload),
            place.write.eq(1), place.addr.eq(cluster << _INDEX), place.length.eq(CLUSTER),
            self.sealed_index.eq(at), self.write.payload.data.eq(word), self.write.payload.mask.eq(~0),
        ]
        with m.FSM(name="clear") as clear:
            with m.State("IDLE"):
                m.d.comb += log.look.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "READS"
            with m.State("READS"):
                with m.If(log.clear):
                    m.next = "CLAIM"
            with m.State("CLAIM"):
                m.d.comb += self.claim.valid.eq(1)
                with m.If(self.claim.ready):
                    m.next = "CLEAR"
            with m.State("CLEAR"):
                m.d.comb += begin.eq(free)
                with m.If(free):
                    m.d.comb += self.i.ready.eq(1)
                    m.d.sync += cluster.eq(self.i.payload.cluster)
                    m.next = "IDLE"
        with m.FSM(name="write") as write:
            m.d.comb += [self.idle.eq(clear.ongoing("IDLE") & write.ongoing("IDLE")),
                         self.placing.eq(~write.ongoing("IDLE"))]
            with m.State("IDLE"):
                m.d.comb += free.eq(1)
                with m.If(begin):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += self.sealed_index.eq(CLUSTER)
                m.next = "PLACE"
            with m.State("PLACE"):
                m.d.comb += [self.place.valid.eq(1), self.sealed_index.eq(CLUSTER)]
                m.d.sync += word.eq(self.sealed_word)
                with m.If(self.place.ready):
                    m.d.comb += self.sealed_index.eq(0)
                    m.d.sync += at.eq(0)
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.write.valid.eq(1)
                with m.If(sent):
                    m.d.comb += self.sealed_index.eq(at + 1)
                    m.d.sync += [word.eq(self.sealed_word), at.eq(at + 1)]
                with m.If(sent & (at == CLUSTER)):
                    m.d.comb += self.written.eq(1)
                    m.next = "IDLE"
        return m
