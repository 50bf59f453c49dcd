"""Remembers what was written until it has been read back."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from .jobs import Job, Purpose
from .layout import CLUSTER
from .merger import Written

__all__ = ["Verifier"]

ON_THEIR_WAY = 4
"""Clusters being read back at once."""

LOOKS = 16
"""Clusters read by the chip that wait to be looked up; a look takes four cycles, and waits while one is written."""

_CLUSTER_BITS = (CLUSTER - 1).bit_length()
_Seen = data.StructLayout({"cluster": 32 - _CLUSTER_BITS, "crc": 32})


class Verifier(wiring.Component):
    """A table of the clusters written last, one place for each value of the lower bits of their number.

    A cluster that needs the place of another one has that one read back first; so has one that is written again before
    it is: had the first write been lost, reads since then would have seen what was there before, and the second one
    might have been merged with it, without anything being wrong in the end. A cluster that the chip reads with the CRC
    it was written with need not be read back. After a reset the table is cleared, for ``places`` cycles.

    Parameters
    ----------
    places: a power of two.

    Members
    -------
    claim: what is about to be written. Taken once its place is free and it is not being read back; nothing is asked for
        from then on until it and all that was claimed is ``written`` (strobe, in order; three claims at most are not).
    idle: what is in the table may be read back now.
    job: what is to be read back. verified: the oldest of these was (strobe).
    crc: what the oldest one must have, from two cycles after it has become that.
    seen, seen_crc, seen_en: a cluster that was read and is right. One that comes while `LOOKS` of them wait goes
        unnoticed.
    pending: something has not been read back.
    """

    def __init__(self, places: int = 1024):
        self._places = places
        super().__init__({
            "claim": In(stream.Signature(Written)), "written": In(1), "idle": In(1),
            "job": Out(stream.Signature(Job)), "verified": In(1), "crc": Out(32), "pending": Out(1),
            "seen": In(32 - _CLUSTER_BITS), "seen_crc": In(32), "seen_en": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits = (self._places - 1).bit_length()
        entry_layout = data.StructLayout({"used": 1, "tag": 32 - _CLUSTER_BITS - bits, "crc": 32})
        m.submodules.table = table = BlockMemory(entry_layout.size, self._places)
        m.submodules.crcs = crcs = memory.Memory(shape=32, depth=ON_THEIR_WAY, init=[])    # of those asked for
        put, get = table.write, table.read[0]   # FETCH does not write
        put_crc, get_crc = crcs.write_port(), crcs.read_port(domain="comb")
        put_entry = Signal(entry_layout)
        claimed, entry = Signal(Written), Signal(entry_layout)
        at, scan = Signal(bits), Signal(bits)
        used = Signal(range(self._places + 1))
        asked = [Signal(bits, name=f"asked{i}") for i in range(ON_THEIR_WAY)]
        asking = Signal(ON_THEIR_WAY)   # of ``asked``, the oldest first
        mine = Signal()                 # the entry makes way for a claim
        claims = Signal(2)              # that have not been written
        m.submodules.reads = reads = fifo.SyncFIFO(width=_Seen.size, depth=LOOKS)
        seen, looking = Signal(_Seen), Signal()
        m.d.comb += [reads.w_data.eq(Cat(self.seen, self.seen_crc)), reads.w_en.eq(self.seen_en)]

        clash = Cat(asking[i] & (asked[i] == self.claim.payload.cluster[:bits]) for i in range(ON_THEIR_WAY)).any()
        m.d.comb += [
            get.addr.eq(at), get.en.eq(1), put.addr.eq(at), put.data.eq(put_entry),
            put_crc.data.eq(entry.crc),
            self.job.payload.purpose.eq(Purpose.VERIFY), self.job.payload.length.eq(CLUSTER),
            self.job.payload.addr.eq(Cat(at, entry.tag) << _CLUSTER_BITS),
        ]
        sent = self.job.valid & self.job.ready
        count = Signal(range(ON_THEIR_WAY + 1))
        m.d.comb += put_crc.en.eq(sent)
        m.d.sync += [
            count.eq(count + sent - self.verified), put_crc.addr.eq(put_crc.addr + sent),
            get_crc.addr.eq(get_crc.addr + self.verified), self.crc.eq(get_crc.data),
        ]
        with m.If(self.verified):
            m.d.sync += [asked[i].eq(asked[i + 1]) for i in range(ON_THEIR_WAY - 1)]
        for i in range(ON_THEIR_WAY):
            with m.If(sent & (count - self.verified == i)):
                m.d.sync += asked[i].eq(at)
        m.d.comb += asking.eq(Cat(count > i for i in range(ON_THEIR_WAY)))

        with m.FSM() as fsm:
            m.d.sync += [self.pending.eq((used != 0) | asking.any()),
                         claims.eq(claims + fsm.ongoing("CLAIMED") - self.written)]
            with m.State("CLEAR"):
                m.d.comb += put.en.eq(1)
                m.d.sync += at.eq(at + 1)
                with m.If(at == self._places - 1):
                    m.next = "IDLE"
            with m.State("IDLE"):
                m.d.sync += [claimed.eq(self.claim.payload), mine.eq(self.claim.valid & ~reads.r_rdy),
                             looking.eq(reads.r_rdy), seen.eq(reads.r_data)]
                with m.If(reads.r_rdy):
                    m.d.comb += reads.r_en.eq(1)
                    m.d.sync += at.eq(reads.r_data)
                    m.next = "FETCH"
                with m.Elif(self.claim.valid):
                    m.d.sync += at.eq(self.claim.payload.cluster[:bits])
                    with m.If(~clash):
                        m.next = "FETCH"
                with m.Elif(self.idle & (used != 0)):
                    m.d.sync += [at.eq(scan), scan.eq(scan + 1)]
                    m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "LOOK"
            with m.State("LOOK"):
                m.d.sync += entry.eq(get.data)
                m.next = "DECIDE"
            with m.State("DECIDE"):
                m.next = "IDLE"
                with m.If(looking):
                    m.d.sync += looking.eq(0)
                    with m.If(entry.used & (entry.tag == seen.cluster[bits:]) & (entry.crc == seen.crc)):
                        m.d.comb += put.en.eq(1)
                        m.d.sync += used.eq(used - 1)
                with m.Elif(entry.used):
                    with m.If(claims == 0):     # else once more: it may be one of these
                        m.next = "ASK"
                with m.Elif(mine):
                    m.next = "CLAIMED"
            with m.State("ASK"):
                m.d.comb += self.job.valid.eq(count != ON_THEIR_WAY)
                with m.If(sent):
                    m.d.comb += put.en.eq(1)    # the place is free
                    m.d.sync += used.eq(used - 1)
                    m.next = "IDLE"     # where a claim of the same cluster waits
                    with m.If(mine & (entry.tag != claimed.cluster[bits:])):
                        m.next = "CLAIMED"
            with m.State("CLAIMED"):
                m.d.comb += [self.claim.ready.eq(1), put.en.eq(1), put_entry.used.eq(1),
                             put_entry.tag.eq(claimed.cluster[bits:]), put_entry.crc.eq(claimed.crc)]
                m.d.sync += used.eq(used + 1)
                m.next = "IDLE"
        return m
