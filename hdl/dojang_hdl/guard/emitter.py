"""Gives whole clusters to the memory."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import MemoryWrite
from .checker import Header
from .layout import CLUSTER
from .locate import Place
from .read_log import PLACE, ReadLog

__all__ = ["Emitter", "Written"]

_INDEX = (CLUSTER - 1).bit_length()

Written = data.StructLayout({"cluster": 32 - _INDEX, "crc": 32})
"""A cluster and the CRC of its header."""


class Emitter(wiring.Component):
    """One command of nine words for each cluster.

    A cluster waits for the chip's reads near it that were taken before it came: should they have to be repeated, they
    still find what they were to read. Reads elsewhere go on.

    Members
    -------
    i: In stream of clusters; sealed_index, sealed_word: see `Merger`.
    read, first, last, done: the chip's reads of clusters; see `ReadLog`.
    claim: what is going to be written; taken when its verification can be noted. written: it is (strobe).
    place: where to.
    write: Out stream of `MemoryWrite`.
    idle: nothing is being written. placing: what waits for the memory only is.
    """

    i: In(stream.Signature(32 - _INDEX))
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
        at = Signal(_INDEX + 1, init=CLUSTER)   # what ``sealed_word`` is; the header before all else
        word = Signal(WORD_BITS)
        cluster, place = self.i.payload, self.place.payload
        sent = self.write.valid & self.write.ready
        m.d.comb += [
            log.read.eq(self.read), log.first.eq(self.first), log.last.eq(self.last), log.done.eq(self.done),
            log.addr.eq(cluster << _INDEX),
            self.claim.payload.cluster.eq(cluster), self.claim.payload.crc.eq(Header(word).crc),
            place.write.eq(1), place.addr.eq(cluster << _INDEX), place.length.eq(CLUSTER),
            self.sealed_index.eq(at), self.write.payload.data.eq(word), self.write.payload.mask.eq(~0),
        ]
        m.d.sync += at.eq(self.sealed_index)
        with m.FSM() as fsm:
            m.d.comb += [self.idle.eq(fsm.ongoing("IDLE")),
                         self.placing.eq(fsm.ongoing("PLACE") | fsm.ongoing("WORDS"))]
            with m.State("IDLE"):
                m.d.comb += log.look.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.next = "LOOK"
            with m.State("LOOK"):
                m.next = "READS"
            with m.State("READS"):
                m.d.sync += word.eq(self.sealed_word)
                with m.If(log.clear):
                    m.next = "CLAIM"
            with m.State("CLAIM"):
                m.d.comb += self.claim.valid.eq(1)
                with m.If(self.claim.ready):
                    m.d.comb += self.sealed_index.eq(0)
                    m.next = "PLACE"
            with m.State("PLACE"):
                m.d.comb += self.place.valid.eq(1)
                with m.If(self.place.ready):
                    m.next = "WORDS"
            with m.State("WORDS"):
                m.d.comb += self.write.valid.eq(1)
                with m.If(sent):
                    m.d.sync += word.eq(self.sealed_word)
                with m.If(sent & (at != CLUSTER)):
                    m.d.comb += self.sealed_index.eq(at + 1)
                with m.If(sent & (at == CLUSTER)):
                    m.d.comb += [self.i.ready.eq(1), self.written.eq(1)]
                    m.next = "IDLE"
        return m
