"""Completes clusters and gives them their headers."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS, WORD_BYTES
from ..memory import MemoryWrite
from .checker import Header, Sealer
from .code import check_bits
from .combiner import Gathered
from .jobs import Job, Purpose
from .layout import CHECK_BITS, CLUSTER

__all__ = ["Merger"]

_INDEX = (CLUSTER - 1).bit_length()


class Merger(wiring.Component):
    """A cluster of which all bytes were written is done in 16 cycles, in eight of which the `Checker` makes its check
    bits and CRC and reads nothing; any other one is read before.

    What cannot be read right is not written: the words of the chip are lost, and the cluster stays wrong.

    Members
    -------
    i, index, word: a cluster, taken when it has been sealed; ``word`` is the word ``index`` of the cycle before.
    refresh: a cluster that is to be written as it is, after correction.
    job: what is to be read, once all that was sealed before has been taken.
    old, old_en: the words read; ``restart``: they come anew. judged, good: they have all come, and are right.
    sealer: see `Sealer`; on ``restart`` all is begun again.
    o: Out stream of clusters to be written. While it is offered, ``sealed_word`` is what ``sealed_index`` of the cycle
        before was: a word of it or, for index 8, its header.
    clusters, used: what is sealed.
    idle: nothing is to be written from here on.
    """

    i: In(stream.Signature(Gathered))
    index: Out(_INDEX)
    word: In(MemoryWrite)
    refresh: In(stream.Signature(32 - _INDEX))
    job: Out(stream.Signature(Job))
    old: In(WORD_BITS)
    old_en: In(1)
    restart: In(1)
    judged: In(1)
    good: In(1)
    sealer: Out(Sealer())
    o: Out(stream.Signature(32 - _INDEX))
    sealed_index: In(_INDEX + 1)
    sealed_word: Out(WORD_BITS)
    clusters: Out(data.ArrayLayout(32 - _INDEX, 2))
    used: Out(2)
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.old_words = old_words = BlockMemory(WORD_BITS, CLUSTER)
        m.submodules.sealed = sealed = BlockMemory(WORD_BITS, 4 * CLUSTER)
        keep, kept = old_words.write, old_words.read[0]     # first written, then read
        put, get = sealed.write, sealed.read[0]             # a half that is offered is not written
        sealer = self.sealer
        cluster, header = Signal(32 - _INDEX), Signal(Header)
        gathered, in_half, out_half = Signal(), Signal(), Signal()     # from the combiner, not the patrol
        at, fetched_at, merged_at = (Signal(_INDEX, name=name) for name in ("at", "fetched_at", "merged_at"))
        fetched, merged_en, merged = Signal(), Signal(), Signal(WORD_BITS)
        checks, seal_header = Signal(CHECK_BITS * CLUSTER), Signal()    # the header is put behind the words

        m.d.comb += [
            keep.addr.eq(at), keep.data.eq(self.old), keep.en.eq(self.old_en),
            kept.addr.eq(at), kept.en.eq(1), get.en.eq(1), self.index.eq(at),
            put.addr.eq(Cat(merged_at, seal_header, in_half)), put.data.eq(Mux(seal_header, header, merged)),
            put.en.eq(merged_en | seal_header),
            get.addr.eq(Cat(self.sealed_index, out_half)), self.sealed_word.eq(get.data),
            sealer.word.eq(merged), sealer.en.eq(merged_en),
            self.job.payload.purpose.eq(Purpose.MERGE), self.job.payload.length.eq(CLUSTER),
            self.job.payload.addr.eq(cluster << _INDEX),
            self.o.valid.eq(self.used.bit_select(out_half, 1)),
            self.o.payload.eq(Mux(out_half, self.clusters[1], self.clusters[0])),
            header.crc_check.eq(check_bits(header.crc)),
            *(header[f"check_{word}"].eq(checks.word_select(word, CHECK_BITS)) for word in range(CLUSTER)),
        ]
        m.d.sync += [fetched.eq(0), fetched_at.eq(at), merged_en.eq(fetched), merged_at.eq(fetched_at)]
        m.d.sync += [out_half.eq(out_half ^ (self.o.valid & self.o.ready))]
        for byte in range(WORD_BYTES):
            m.d.sync += merged.word_select(byte, 8).eq(Mux(
                gathered & self.word.mask[byte], self.word.data.word_select(byte, 8), kept.data.word_select(byte, 8)))
        with m.If(sealer.check_en):
            m.d.sync += checks.eq(Cat(checks[CHECK_BITS:], sealer.check))

        def unless_restart():
            """A block is read again: what the checker has got is lost."""
            with m.If(self.restart):
                m.d.sync += [at.eq(0), fetched.eq(0), merged_en.eq(0)]
                m.next = "START"

        def taken():
            return [self.i.ready.eq(gathered), self.refresh.ready.eq(~gathered)]

        for half in range(2):
            with m.If(self.o.valid & self.o.ready & (out_half == half)):
                m.d.sync += self.used[half].eq(0)
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~self.i.valid & ~self.refresh.valid & (self.used == 0))
            with m.State("IDLE"):
                m.d.sync += [at.eq(0), gathered.eq(self.i.valid),
                             cluster.eq(Mux(self.i.valid, self.i.payload.cluster, self.refresh.payload))]
                with m.If(self.i.valid & self.i.payload.whole):
                    m.next = "START"
                with m.Elif(self.i.valid | self.refresh.valid):
                    m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += self.job.valid.eq(self.used == 0)
                with m.If(self.job.valid & self.job.ready):
                    m.next = "READ"
            with m.State("READ"):
                m.d.sync += at.eq(Mux(self.restart, 0, at + self.old_en))
                with m.If(self.judged):
                    m.next = "START"
                    with m.If(~self.good):
                        m.d.comb += taken()
                        m.next = "IDLE"
            with m.State("START"):
                with m.If(~self.used.bit_select(in_half, 1)):
                    m.d.sync += [fetched.eq(1), at.eq(1)]
                    m.next = "COPY"
                unless_restart()
            with m.State("COPY"):
                m.d.sync += [fetched.eq(1), at.eq(at + 1)]
                with m.If(at == CLUSTER - 1):
                    m.next = "LAST"
                unless_restart()
            with m.State("LAST"):
                m.d.sync += header.crc.eq(sealer.crc ^ (cluster << _INDEX))
                with m.If(sealer.crc_en):
                    m.next = "SEAL"
                unless_restart()
            with m.State("SEAL"):
                m.d.comb += [seal_header.eq(1), *taken()]
                m.d.sync += in_half.eq(~in_half)
                for half in range(2):
                    with m.If(in_half == half):
                        m.d.sync += [self.used[half].eq(1), self.clusters[half].eq(cluster)]
                m.next = "IDLE"
        return m
