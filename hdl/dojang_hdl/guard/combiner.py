"""Gathers written words into clusters."""

from amaranth.hdl import Array, Cat, Module, Mux, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..config import WORD_BITS, WORD_BYTES
from ..memory import MemoryWrite
from .layout import CLUSTER

__all__ = ["ClusterWrite", "Combiner", "Gathered"]

QUIET_CYCLES = 32
"""Cycles between two looks at which clusters have got no word since the last one: they leave."""

_INDEX = (CLUSTER - 1).bit_length()

ClusterWrite = data.StructLayout({"addr": 32, "word": MemoryWrite})
"""One word, for word address `addr`."""

Gathered = data.StructLayout({"cluster": 32 - _INDEX, "whole": 1, "entry": 4})
"""A cluster, its address without the bits of its words; whether all bytes of it were written; its place."""


class Combiner(wiring.Component):
    """Several clusters at once, as the writes of several nodes come mixed. One word a cycle, a new cluster in three.

    A cluster is to leave when all its bytes are there, when its place is needed (the oldest one), on ``flush`` and when
    no word for it has come for 32 to 64 cycles; the time in which a word waits for a place does not count. Then it is
    offered, and its words can be had until it has left; a word for it waits until then.

    Parameters
    ----------
    entries: clusters that are gathered at once, a power of two up to 16.

    Members
    -------
    i: In stream of `ClusterWrite`.
    flush: these leave.
    o: Out stream of `Gathered`.
    entry, index, word: of a cluster that was taken and has not left, in that place, ``word`` is what ``index`` of the
        cycle before was. left: it leaves (strobe).
    clusters, used: what is gathered or has not left.
    """

    def __init__(self, entries: int = 4):
        self._entries = entries
        super().__init__({
            "i": In(stream.Signature(ClusterWrite)), "flush": In(entries), "o": Out(stream.Signature(Gathered)),
            "entry": In(4), "index": In(_INDEX), "word": Out(MemoryWrite), "left": In(1),
            "clusters": Out(data.ArrayLayout(32 - _INDEX, entries)), "used": Out(entries),
        })

    def elaborate(self, platform):
        m = Module()
        count = self._entries
        entry_bits = (count - 1).bit_length()
        m.submodules.words = words = BlockMemory(WORD_BITS, count * CLUSTER, granule=8)
        m.submodules.masks = masks = memory.Memory(shape=WORD_BYTES, depth=count * CLUSTER, init=[])
        m.submodules.leaving = leaving = fifo.SyncFIFO(width=entry_bits, depth=count)
        put, put_mask, old_mask = words.write, masks.write_port(), masks.read_port(domain="comb")
        look, look_mask = words.read[0], masks.read_port(domain="comb")
        open_, fresh, touched, full = (
            [Signal(width, name=f"{name}{i}") for i in range(count)]
            for name, width in (("open", 1), ("fresh", 1), ("touched", CLUSTER), ("full", CLUSTER)))
        newest = Signal(entry_bits)     # given out last; the one after it is the oldest

        # Its place is looked for, then the word is put there.
        cluster = self.i.payload.addr[_INDEX:]
        hits = Signal(count)
        found, found_valid, entry = Signal(ClusterWrite), Signal(), Signal(entry_bits)
        m.d.comb += [
            hits.eq(Cat(self.used[i] & (self.clusters[i] == cluster) for i in range(count))),
            self.i.ready.eq((hits & Cat(open_)).any()),
        ]
        m.d.sync += [
            found_valid.eq(self.i.valid & self.i.ready), found.eq(self.i.payload),
            entry.eq(Cat(Cat(hits[i] for i in range(count) if i >> bit & 1).any() for bit in range(entry_bits))),
        ]
        mask, at = Signal(WORD_BYTES), found.addr[:_INDEX]
        place = Cat(at, entry)
        was_touched = Array(touched)[entry].bit_select(at, 1)
        m.d.comb += [
            old_mask.addr.eq(place), mask.eq(Mux(was_touched, old_mask.data, 0) | found.word.mask),
            put.addr.eq(place), put.data.eq(found.word.data), put.en.eq(Mux(found_valid, found.word.mask, 0)),
            put_mask.addr.eq(place), put_mask.data.eq(mask), put_mask.en.eq(found_valid),
        ]
        # Whether all its bytes are there is known a cycle later.
        written, written_to, written_at, complete = Signal(), Signal(entry_bits), Signal(_INDEX), Signal()
        m.d.sync += [written.eq(found_valid), written_to.eq(entry), written_at.eq(at), complete.eq(mask.all())]
        for i in range(count):
            with m.If(found_valid & (entry == i)):
                m.d.sync += touched[i].eq(touched[i] | (1 << at))
            with m.If(written & (written_to == i)):
                m.d.sync += full[i].eq(full[i] | (complete << written_at))

        # A new cluster takes the place of the oldest one, which must have left.
        missing, oldest, begin = Signal(), Signal(entry_bits), Signal()
        m.d.comb += [oldest.eq(newest + 1), begin.eq(missing & ~self.used.bit_select(oldest, 1))]
        m.d.sync += missing.eq(self.i.valid & ~hits.any() & ~begin)
        for i in range(count):
            with m.If(begin & (oldest == i)):
                m.d.sync += [self.used[i].eq(1), open_[i].eq(1), self.clusters[i].eq(cluster), touched[i].eq(0),
                             full[i].eq(0), newest.eq(i)]

        # Those that are to leave, one a cycle. While a word waits, those that others behind it are for stay fresh.
        cycles, look_now, waits = Signal(range(QUIET_CYCLES)), Signal(), Signal()
        stale, closing = Signal(count), Signal(count)
        m.d.sync += [cycles.eq(cycles + 1), look_now.eq(cycles == QUIET_CYCLES - 1),
                     waits.eq(self.i.valid & ~self.i.ready)]
        for i in range(count):
            with m.If(found_valid & (entry == i) | begin & (oldest == i)):
                m.d.sync += [fresh[i].eq(1), stale[i].eq(0)]
            with m.Elif(look_now):
                m.d.sync += stale[i].eq(~fresh[i])
                with m.If(~waits):
                    m.d.sync += fresh[i].eq(0)
        m.d.comb += closing.eq(Cat(
            open_[i] & (full[i].all() | self.flush[i] | stale[i] | missing & (oldest == i)) for i in range(count)))
        for i in reversed(range(count)):
            with m.If(closing[i]):
                m.d.comb += [leaving.w_data.eq(i), leaving.w_en.eq(1)]
        for i in range(count):
            with m.If(leaving.w_en & (leaving.w_data == i)):
                m.d.sync += open_[i].eq(0)

        soon, now = leaving.r_data, self.entry[:entry_bits]
        m.d.comb += [
            # A word may have found its place just before.
            self.o.valid.eq(leaving.r_rdy & ~(found_valid & (entry == soon)) & ~(written & (written_to == soon))),
            self.o.payload.cluster.eq(self.clusters[soon]), self.o.payload.whole.eq(Array(full)[soon].all()),
            self.o.payload.entry.eq(soon), leaving.r_en.eq(self.o.valid & self.o.ready),
            # What is offered is not written any more.
            look.en.eq(1), look.addr.eq(Cat(self.index, now)), look_mask.addr.eq(Cat(self.index, now)),
            self.word.data.eq(look.data),
        ]
        m.d.sync += self.word.mask.eq(
            Mux(Array(touched)[now].bit_select(self.index, 1), look_mask.data, 0))
        for i in range(count):
            with m.If(self.left & (now == i)):
                m.d.sync += self.used[i].eq(0)
        return m
