"""Joins written words to bursts, and bursts to accesses."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import MemoryWrite
from .bank import Access
from .splitter import Piece
from .timing import BANKS

__all__ = ["WriteGather"]

MOST_BURSTS = 32
"""Bursts of one access: the bus changes to writes for twice 512 bytes at most."""

QUIET_CYCLES = 32
"""Cycles without a word after which what has been gathered is sent."""

_Burst = data.StructLayout({"bank": 3, "row": 17, "burst": 6, "masked": 1})


class WriteGather(wiring.Component):
    """Writes of neighbouring words, also of different commands, become one access, although reads pass in between.

    A burst is 32 bytes: a word without its neighbour is written with the other half masked. Bursts of an access are
    all masked or all whole, as a masked write needs a greater distance. One word a cycle; a missing one takes a cycle.

    Parameters
    ----------
    slot_bits: of ``slot``.
    banks: that there are pieces for.

    Members
    -------
    piece: In stream of `Piece`, writes only.
    word: In stream of `MemoryWrite`, the pieces' words.
    place, half, en, take, room, slot: see `WriteBuffer`.
    pending: banks for which something is gathered that the bank machine has not got yet.
    flush: send it, once the present piece is complete.
    o: Out stream of `Access`, for ``bank``.
    """

    def __init__(self, slot_bits: int, banks: int = BANKS):
        self._banks = banks
        super().__init__({
            "piece": In(stream.Signature(Piece)), "word": In(stream.Signature(MemoryWrite)),
            "place": Out(MemoryWrite), "half": Out(1), "en": Out(1), "take": Out(1), "room": In(1),
            "slot": In(slot_bits), "pending": Out(banks), "flush": In(1),
            "o": Out(stream.Signature(Access)), "bank": Out(3),
        })

    def elaborate(self, platform):
        m = Module()
        piece, active = Signal(Piece, name="piece"), Signal()
        burst, filling = Signal(_Burst, name="burst"), Signal()     # the one with one half so far
        ended, has_ended = Signal(_Burst, name="ended"), Signal()   # a whole one
        group, grouped = Signal(_Burst, name="group"), Signal()     # the access that is gathered, by its first burst
        count, slot = Signal(range(MOST_BURSTS + 1)), Signal.like(self.slot)
        ended_slot = Signal.like(self.slot)
        # Whether the one with one half, and the whole one, are the next of their row after the burst before
        adjoins, ended_adjoins = Signal(name="adjoins"), Signal(name="ended_adjoins")
        leaves = Signal()
        held = Signal(self._banks)  # what was there in the cycle before and has not left
        for index in range(self._banks):
            m.d.sync += held[index].eq(
                Cat(valid & (stage.bank == index) for valid, stage in (
                    (active, piece), (filling, burst), (has_ended, ended), (grouped & ~leaves, group))).any())
            m.d.comb += self.pending[index].eq(held[index] | active & (piece.bank == index))

        quiet = Signal(range(QUIET_CYCLES + 1))
        closing, closed = Signal(), Signal()
        m.d.comb += closing.eq(~active & (self.flush | (quiet == QUIET_CYCLES)))
        with m.If(active):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != QUIET_CYCLES):
            m.d.sync += quiet.eq(quiet + 1)

        # Words to halves of bursts
        following = self.piece.payload
        same = Signal()         # the piece's next word is the second half
        continued = Signal()    # the following one's is: a first half then comes from the end of this piece
        merge, free = Signal(), Signal()
        used, complete, start = Signal(), Signal(), Signal()
        whole = self.word.payload.mask.all()
        m.d.comb += [
            continued.eq((Cat(following.bank, following.row, following.word[1:])
                          == Cat(piece.bank, piece.row, piece.word[1:])) & following.word[0]),
            free.eq(~has_ended | merge),
            self.place.data.eq(self.word.payload.data), self.half.eq(filling),
        ]
        with m.If(~filling):
            with m.If(active & self.room):
                m.d.comb += [start.eq(piece.word[0] | self.word.valid), used.eq(~piece.word[0] & self.word.valid)]
        with m.Elif(free):
            with m.If(active & same):
                m.d.comb += [used.eq(self.word.valid), complete.eq(self.word.valid)]
            with m.Elif(active | closing):
                m.d.comb += complete.eq(1)
        with m.If(used):
            m.d.comb += self.place.mask.eq(self.word.payload.mask)
        m.d.comb += [
            self.word.ready.eq(used), self.en.eq(start | complete), self.take.eq(complete),
            self.piece.ready.eq(~active | used & (piece.words == 1)),
        ]
        with m.If(used):
            m.d.sync += [piece.word.eq(piece.word + 1), piece.words.eq(piece.words - 1)]
        with m.If(start):
            m.d.sync += [filling.eq(1), burst.bank.eq(piece.bank), burst.row.eq(piece.row), same.eq(1),
                         burst.burst.eq(piece.word[1:]), burst.masked.eq(~(used & whole)),
                         adjoins.eq((Cat(piece.bank, piece.row) == Cat(burst.bank, burst.row))
                                    & (piece.word[1:] == burst.burst + 1))]
        with m.If(self.piece.ready):
            m.d.sync += active.eq(self.piece.valid)
            with m.If(self.piece.valid):
                m.d.sync += [piece.eq(following), same.eq(continued)]
        with m.If(complete):
            m.d.sync += [filling.eq(0), ended.eq(burst), ended_slot.eq(self.slot), ended_adjoins.eq(adjoins),
                         ended.masked.eq(burst.masked | ~(used & whole))]

        # Bursts to accesses
        extends = Signal()
        m.d.comb += [
            extends.eq(~closed & ended_adjoins & (ended.masked == group.masked) & (count != MOST_BURSTS)),
            self.o.valid.eq(closed),    # a register: the bank queues hang on it
            leaves.eq(self.o.valid & self.o.ready),
            merge.eq(has_ended & (~grouped | leaves | extends)),
            self.bank.eq(group.bank),
            self.o.payload.row.eq(group.row), self.o.payload.burst.eq(group.burst), self.o.payload.bursts.eq(count),
            self.o.payload.slot.eq(slot), self.o.payload.write.eq(1), self.o.payload.masked.eq(group.masked),
        ]
        m.d.sync += has_ended.eq(has_ended & ~merge | complete)
        with m.If(leaves):
            m.d.sync += [grouped.eq(0), closed.eq(0)]
        with m.Elif(grouped & Mux(has_ended, ~extends, closing & ~filling)):
            m.d.sync += closed.eq(1)
        with m.If(merge):
            m.d.sync += [grouped.eq(1), count.eq(count + 1)]
            with m.If(~grouped | leaves):
                m.d.sync += [group.eq(ended), slot.eq(ended_slot), count.eq(1)]
        return m
