"""The write gather puts every word where it belongs, once, and sends it with the access of its burst."""

from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.gather import MOST_BURSTS, QUIET_CYCLES, WriteGather
from dojang_hdl.lpddr4.splitter import Piece
from dojang_hdl.memory import MemoryWrite

from .contracts import Stores, sound_access, sound_piece
from .prove import Harness
from .rules import saturating

__all__ = ["GatherWords"]

SLOT_BITS = 7
"""64 slots, and their lap."""

WORD_CYCLES = 2
"""A word that waits is taken after so many cycles at most in which there is room and accesses may leave."""

SEND_CYCLES = 5
"""All has left after so many cycles in which no piece is open, accesses may leave, and it is flushed or quiet."""

Burst = data.StructLayout({"bank": 3, "row": 17, "burst": 6, "masked": 1})


class GatherWords(Harness):
    """Any pieces and words, a write buffer that has room at any time, banks that are ready at any time.

    A word is stored in the cycle in which it is taken, in the half of a slot that its address says. One word, any that
    is taken while ``mark`` is high, is followed: its slot leaves with the access of its burst. Accesses have the slots
    in order, each once, so it leaves with no other.
    """

    inside = {"active": "gather.active", "piece": "gather.piece", "burst": "gather.burst",
              "has_ended": "gather.has_ended", "ended": "gather.ended", "ended_slot": "gather.ended_slot",
              "grouped": "gather.grouped", "quiet": "gather.quiet",
              "same": "gather.same", "adjoins": "gather.adjoins", "ended_adjoins": "gather.ended_adjoins"}

    def __init__(self, gather: type[WriteGather] = WriteGather):
        self._gather = gather
        super().__init__({
            "next_piece": In(Piece), "piece_valid": In(1), "word": In(MemoryWrite), "word_valid": In(1),
            "room": In(1), "slot": In(SLOT_BITS), "flush": In(1), "ready": In(1), "mark": In(1),
            "active": In(1), "piece": In(Piece), "burst": In(Burst), "has_ended": In(1), "ended": In(Burst),
            "ended_slot": In(SLOT_BITS), "grouped": In(1), "quiet": In(range(QUIET_CYCLES + 1)),
            "same": In(1), "adjoins": In(1), "ended_adjoins": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.gather = gather = self._gather(SLOT_BITS)
        m.d.comb += [
            gather.piece.valid.eq(self.piece_valid), gather.piece.payload.eq(self.next_piece),
            gather.word.valid.eq(self.word_valid), gather.word.payload.eq(self.word), gather.room.eq(self.room),
            gather.slot.eq(self.slot), gather.flush.eq(self.flush), gather.o.ready.eq(self.ready),
            Assume(sound_piece(self.next_piece)),
        ]
        stores = Stores(m, en=gather.en, half=gather.half, take=gather.take, room=self.room, slot=self.slot)
        stores.of_buffer(m, Assume)
        stores.of_gather(m, Assert)
        own, word_taken = self._words(m, gather)
        sent = self._accesses(m, gather)
        self._followed(m, gather, own, word_taken, sent)
        self._progress(m, gather, own)
        self._invariants(m, gather, own, sent, stores.second)
        return m

    def _words(self, m, gather):
        """Returns the piece whose words are taken, by what is left of it, and whether one is taken in this cycle."""
        own, taken = Signal(Piece), Signal()
        m.d.comb += taken.eq(self.word_valid & gather.word.ready)
        with m.If(taken):
            m.d.comb += [
                Assert(own.words != 0, "words are those of pieces"),
                Assert(gather.en & (gather.place == self.word), "a word is stored as it is"),
                Assert(gather.half == own.word[0], "in its half"),
            ]
            m.d.sync += [own.word.eq(own.word + 1), own.words.eq(own.words - 1)]
        with m.Else():
            m.d.comb += Assert(~gather.en | ~gather.place.mask.any(), "where there is no word nothing is written")
        with m.If(self.piece_valid & gather.piece.ready):
            m.d.comb += Assert(own.words == taken, "a piece after the words of the one before it")
            m.d.sync += own.eq(self.next_piece)
        return own, taken

    def _accesses(self, m, gather):
        """Returns the slots that have left; the next access begins there."""
        sent, access = Signal(SLOT_BITS), gather.o.payload
        with m.If(gather.o.valid):
            m.d.comb += [
                Assert(sound_access(access) & (access.bursts <= MOST_BURSTS), "bursts of a row, not too many"),
                Assert(access.slot == sent, "slots leave in order"),
                Assert(access.bursts <= (self.slot - sent)[:SLOT_BITS], "slots leave when they have been taken"),
                Assert(access.write & ~access.skip_first & ~access.skip_last, "whole bursts are written"),
            ]
            with m.If(self.ready):
                m.d.sync += sent.eq(sent + access.bursts)
        return sent

    def _followed(self, m, gather, own, word_taken, sent):
        following, address, slot = Signal(), Signal(Piece), Signal(SLOT_BITS)
        first_whole, masked = Signal(), Signal()
        marked, access, bursts = Signal(), gather.o.payload, gather.o.payload.bursts
        whole, place = Signal(), Signal(SLOT_BITS)
        m.d.comb += [
            marked.eq(self.mark & word_taken & ~following), whole.eq(gather.place.mask.all()),
            place.eq(slot - sent),
            Assert(~following | gather.pending.bit_select(address.bank, 1), "what has not left is pending"),
            Assert((own.words == 0) | gather.pending.bit_select(own.bank, 1), "what is awaited is pending"),
        ]
        with m.If(gather.en & ~gather.half):
            m.d.sync += first_whole.eq(whole)
        with m.If(gather.take & (marked | following & (slot == self.slot))):
            m.d.sync += masked.eq(~(first_whole & whole))
        leaves = Signal()
        m.d.comb += leaves.eq(gather.o.valid & self.ready & following & (place < bursts))
        with m.If(leaves):
            m.d.comb += [
                Assert((gather.bank == address.bank) & (access.row == address.row), "to its bank and row"),
                Assert((access.burst + place)[:7] == address.word[1:], "as its burst"),
                Assert(access.masked == masked, "masked if and only if bytes are"),
            ]
            m.d.sync += following.eq(0)
        with m.If(marked):
            m.d.sync += [following.eq(1), address.eq(own), slot.eq(self.slot)]

        # Where it is: with the access, in a burst that is whole, or in one that is not
        def at(burst):
            return (burst.bank == address.bank) & (burst.row == address.row) & (burst.burst == address.word[1:])

        gathered = Mux(self.grouped, bursts, 0)
        with m.If(following & (place < gathered)):
            m.d.comb += Assert((gather.bank == address.bank) & (access.row == address.row) & (access.masked == masked)
                               & (access.burst + place == address.word[1:]), "it is gathered")
        with m.Elif(following & self.has_ended & (slot == self.ended_slot)):
            m.d.comb += Assert(at(self.ended) & (self.ended.masked == masked), "its burst is whole")
        with m.Elif(following):
            m.d.comb += Assert(gather.half & (slot == self.slot) & at(self.burst), "its burst has one half")
        m.d.comb += Assert(~gather.half | (self.burst.masked == ~first_whole), "masked so far")

    def _progress(self, m, gather, own):
        quiet = saturating(m, own.words == 0, QUIET_CYCLES, "no_piece")
        waiting = self.word_valid & (own.words != 0) & ~gather.word.ready
        stuck = saturating(m, waiting & self.room & self.ready, WORD_CYCLES + 1, "stuck")
        ending = (own.words == 0) & (self.flush | (quiet == QUIET_CYCLES))
        kept = saturating(m, ending & self.ready & ~(self.piece_valid & gather.piece.ready), SEND_CYCLES, "kept")
        m.d.comb += [
            Assert(stuck <= WORD_CYCLES, "words are taken"),
            Assert((kept < SEND_CYCLES) | (gather.pending == 0), "what is flushed or rests leaves"),
            Assert(self.quiet == quiet, "quiet as thought"),
        ]

    def _invariants(self, m, gather, own, sent, second):
        access = gather.o.payload
        gathered = Mux(self.grouped, access.bursts, 0)

        def row_of(burst):
            return Cat(burst.bank, burst.row)

        half_of_piece = (row_of(self.burst) == row_of(self.piece)) & (self.burst.burst == self.piece.word[1:]) \
            & self.piece.word[0]
        # The next burst after those that are whole, and its row
        next_row = Mux(self.has_ended, row_of(self.ended), Cat(gather.bank, access.row))
        next_burst = Mux(self.has_ended, self.ended.burst + 1, access.burst + access.bursts)
        before = self.has_ended | self.grouped
        with m.If(gather.half):
            m.d.comb += [
                Assert(Mux(self.active, self.same == half_of_piece, half_of_piece), "the piece goes on with it"),
                Assert(~(before & self.adjoins) | (row_of(self.burst) == next_row) & (self.burst.burst == next_burst),
                       "a half that adjoins"),
            ]
        with m.Else():
            m.d.comb += Assert(~before | (row_of(self.burst) == next_row) & (self.burst.burst + 1 == next_burst),
                               "the last whole one")
        m.d.comb += [
            Assert(~(self.has_ended & self.ended_adjoins & self.grouped)
                   | (row_of(self.ended) == Cat(gather.bank, access.row))
                   & (self.ended.burst == access.burst + access.bursts), "a whole one that adjoins"),
            Assert(self.active == (own.words != 0), "a piece is open while words are left"),
            Assert(~self.active | (self.piece == own) & sound_piece(own), "the piece as thought"),
            Assert(gather.half == second, "halves as thought"),
            Assert(~gather.o.valid | self.grouped, "something is gathered"),
            Assert(~self.grouped | sound_access(access) & (access.bursts <= MOST_BURSTS) & (access.slot == sent),
                   "the access so far"),
            Assert(~self.has_ended | (self.ended_slot == (sent + gathered)[:SLOT_BITS]), "a whole burst after it"),
            Assert(self.slot == (sent + gathered + self.has_ended)[:SLOT_BITS], "every slot is somewhere"),
        ]
