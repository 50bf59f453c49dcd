"""Completes clusters and gives them their headers."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS, WORD_BYTES
from ..memory import MemoryWrite
from .checker import Header, Sealer
from .code import check_bits
from .combiner import Gathered
from .jobs import Job, Purpose
from .layout import CHECK_BITS, CLUSTER

__all__ = ["SEALED", "Merger", "Written"]

_INDEX = (CLUSTER - 1).bit_length()

AHEAD = 16
"""Clusters that are being read at once."""

_WHOLE = 4
"""Clusters that wait to be sealed and need not be read."""

SEALED = 4
"""Places for clusters that are sealed, claimed or written, a power of two."""

Written = data.StructLayout({"cluster": 32 - _INDEX, "crc": 32})
"""A cluster and the CRC of its header."""

_Asked = data.StructLayout({"cluster": 32 - _INDEX, "entry": 4, "whole": 1, "gathered": 1})
"""A cluster and its place in the combiner; whether all bytes of it were written; whether the combiner has it at all."""


class Merger(wiring.Component):
    """A cluster of which all bytes were written is done in 16 cycles, in eight of which the `Checker` makes its check
    bits and CRC and reads nothing; any other one is read before, up to `AHEAD` of them at once, and passed meanwhile.

    What cannot be read right is not written: the words of the chip are lost, and the cluster stays wrong.

    Members
    -------
    i: clusters. entry, index, word, left: see `Combiner`.
    refresh: a cluster that is to be written as it is, after correction.
    job: what is to be read, once it has been taken if it was sealed before.
    old, old_en: the words read; ``restart``: those of the oldest job not ``judged`` come anew. judged, good: its words
        have all come (strobe), and are right.
    sealer: see `Sealer`; on ``restart`` all is begun again.
    o: Out stream of clusters to be written, one at a time: the next one is not taken before that one is ``written``
        (strobe). Until then ``sealed_word`` is what ``sealed_index`` of the cycle before was: a word of it or, for
        index 8, its header.
    clusters, used: what is sealed and not written.
    idle: nothing is to be written from here on.
    """

    i: In(stream.Signature(Gathered))
    entry: Out(4)
    index: Out(_INDEX)
    word: In(MemoryWrite)
    left: Out(1)
    refresh: In(stream.Signature(32 - _INDEX))
    job: Out(stream.Signature(Job))
    old: In(WORD_BITS)
    old_en: In(1)
    restart: In(1)
    judged: In(1)
    good: In(1)
    sealer: Out(Sealer())
    o: Out(stream.Signature(Written))
    written: In(1)
    sealed_index: In(_INDEX + 1)
    sealed_word: Out(WORD_BITS)
    clusters: Out(data.ArrayLayout(32 - _INDEX, SEALED))
    used: Out(SEALED)
    idle: Out(1)

    def elaborate(self, platform):
        m = Module()
        m.submodules.asked = asked = fifo.SyncFIFO(width=_Asked.size, depth=AHEAD)
        m.submodules.whole = whole = fifo.SyncFIFO(width=_Asked.size, depth=_WHOLE)
        m.submodules.old_words = old_words = BlockMemory(WORD_BITS, AHEAD * CLUSTER)
        m.submodules.sealed = sealed = BlockMemory(WORD_BITS, SEALED * 2 * CLUSTER)
        m.submodules.crcs = crcs = memory.Memory(shape=32, depth=SEALED, init=[])   # of what is sealed
        now, done = Signal(_Asked), Signal()    # what is sealed
        asking = self._ask(m, asked, whole, done & ~now.gathered)

        # Words read go round a ring; what has been judged may be taken, and is.
        slots = range(2 * AHEAD)
        judged, taken, old_at, goods = Signal(slots), Signal(slots), Signal(range(AHEAD * CLUSTER)), Signal(AHEAD)
        slot = slice(0, len(judged) - 1)
        m.d.sync += [old_at.eq(Mux(self.restart, Cat(Const(0, _INDEX), judged[slot]), old_at + self.old_en)),
                     judged.eq(judged + self.judged)]
        with m.If(self.judged):
            m.d.sync += goods.bit_select(judged[slot], 1).eq(self.good)

        keep, kept = old_words.write, old_words.read[0]
        put, get = sealed.write, sealed.read[0]             # a place that is used is not written
        put_crc, crc = crcs.write_port(), crcs.read_port(domain="comb")
        sealer = self.sealer
        header = Signal(Header)
        fill, offer, out = (Signal(range(SEALED), name=name) for name in ("fill", "offer", "out"))   # out: is written
        at, fetched_at, merged_at = (Signal(_INDEX, name=name) for name in ("at", "fetched_at", "merged_at"))
        fetched, merged_en, merged = Signal(), Signal(), Signal(WORD_BITS)
        checks, seal_header = Signal(CHECK_BITS * CLUSTER), Signal()    # the header is put behind the words

        m.d.comb += [
            keep.addr.eq(old_at), keep.data.eq(self.old), keep.en.eq(self.old_en),
            kept.addr.eq(Cat(at, taken[slot])), kept.en.eq(1), get.en.eq(1), self.index.eq(at),
            put.addr.eq(Cat(merged_at, seal_header, fill)), put.data.eq(Mux(seal_header, header, merged)),
            put.en.eq(merged_en | seal_header),
            get.addr.eq(Cat(self.sealed_index, out)), self.sealed_word.eq(get.data),
            sealer.word.eq(merged), sealer.en.eq(merged_en),
            self.o.valid.eq(self.used.bit_select(offer, 1)),
            self.o.payload.cluster.eq(self.clusters[offer]), self.o.payload.crc.eq(crc.data),
            put_crc.addr.eq(fill), put_crc.data.eq(header.crc), put_crc.en.eq(seal_header), crc.addr.eq(offer),
            asked.r_en.eq(done & ~now.whole), whole.r_en.eq(done & now.whole), self.left.eq(done & now.gathered),
            self.entry.eq(now.entry),
            header.crc_check.eq(check_bits(header.crc)),
            *(header[f"check_{word}"].eq(checks.word_select(word, CHECK_BITS)) for word in range(CLUSTER)),
        ]
        m.d.sync += [fetched.eq(0), fetched_at.eq(at), merged_en.eq(fetched), merged_at.eq(fetched_at)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [out.eq(offer), offer.eq(offer + 1)]
        m.d.sync += taken.eq(taken + (done & ~now.whole))
        with m.If(fetched & ~self.restart):
            for byte in range(WORD_BYTES):
                m.d.sync += merged.word_select(byte, 8).eq(Mux(
                    now.gathered & self.word.mask[byte], self.word.data.word_select(byte, 8),
                    kept.data.word_select(byte, 8)))
        with m.Else():
            m.d.sync += merged.eq(0)
        with m.If(sealer.check_en):
            m.d.sync += checks.eq(Cat(checks[CHECK_BITS:], sealer.check))

        def unless_restart():
            """A block is read again: what the checker has got is lost."""
            with m.If(self.restart):
                m.d.sync += [at.eq(0), fetched.eq(0), merged_en.eq(0)]
                m.next = "START"

        for place in range(SEALED):
            with m.If(self.written & (out == place)):
                m.d.sync += self.used[place].eq(0)
        with m.FSM(name="seal") as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~asking & (self.used == 0))
            with m.State("IDLE"):
                m.d.sync += [at.eq(0), now.eq(Mux(taken != judged, asked.r_data, whole.r_data))]
                with m.If((taken != judged) & ~goods.bit_select(taken[slot], 1)):
                    m.next = "DROP"
                with m.Elif((taken != judged) | whole.r_rdy):
                    m.next = "START"
            with m.State("DROP"):
                m.d.comb += done.eq(1)
                m.next = "IDLE"
            with m.State("START"):
                with m.If(~self.used.bit_select(fill, 1)):
                    m.d.sync += [fetched.eq(1), at.eq(1)]
                    m.next = "COPY"
                unless_restart()
            with m.State("COPY"):
                m.d.sync += [fetched.eq(1), at.eq(at + 1)]
                with m.If(at == CLUSTER - 1):
                    m.next = "LAST"
                unless_restart()
            with m.State("LAST"):
                m.d.sync += header.crc.eq(sealer.crc ^ (now.cluster << _INDEX))
                with m.If(sealer.crc_en):
                    m.next = "SEAL"
                unless_restart()
            with m.State("SEAL"):
                m.d.comb += [seal_header.eq(1), done.eq(1)]
                m.d.sync += fill.eq(fill + 1)
                for place in range(SEALED):
                    with m.If(fill == place):
                        m.d.sync += [self.used[place].eq(1), self.clusters[place].eq(now.cluster)]
                m.next = "IDLE"
        return m

    def _ask(self, m, asked, whole, refreshed):
        """Asks for what is to be read; returns whether anything is under way or comes."""
        next_, sealed, quiet, refreshing = Signal(_Asked), Signal(), Signal(), Signal()
        job = self.job.payload
        m.d.comb += [
            asked.w_data.eq(next_), whole.w_data.eq(next_), quiet.eq(~asked.r_rdy & ~whole.r_rdy),
            job.purpose.eq(Purpose.MERGE), job.length.eq(CLUSTER), job.addr.eq(next_.cluster << _INDEX),
        ]
        m.d.sync += sealed.eq(Cat(
            self.used[place] & (self.clusters[place] == next_.cluster) for place in range(SEALED)).any())
        with m.If(refreshed):
            m.d.sync += refreshing.eq(0)
        with m.FSM(name="ask") as fsm:
            with m.State("IDLE"):
                m.d.sync += [next_.gathered.eq(self.i.valid), next_.entry.eq(self.i.payload.entry),
                             next_.whole.eq(self.i.valid & self.i.payload.whole),
                             next_.cluster.eq(Mux(self.i.valid, self.i.payload.cluster, self.refresh.payload))]
                # A refresh is alone: it would undo a write of the chip that is read after it or sealed before it.
                with m.If(asked.w_rdy & whole.w_rdy & ~refreshing):
                    m.d.comb += self.i.ready.eq(1)
                    with m.If(self.i.valid & self.i.payload.whole):
                        m.next = "PUT"
                    with m.Elif(self.i.valid):
                        m.next = "COMPARE"
                    with m.Elif(self.refresh.valid & quiet & (self.used == 0)):
                        m.d.comb += self.refresh.ready.eq(1)
                        m.d.sync += refreshing.eq(1)
                        m.next = "COMPARE"
            with m.State("COMPARE"):
                m.next = "ASK"
            with m.State("ASK"):
                m.d.comb += self.job.valid.eq(~sealed)
                with m.If(self.job.valid & self.job.ready):
                    m.next = "PUT"
            with m.State("PUT"):
                m.d.comb += [asked.w_en.eq(~next_.whole), whole.w_en.eq(next_.whole)]
                m.next = "IDLE"
        return ~fsm.ongoing("IDLE") | self.i.valid | self.refresh.valid | ~quiet
