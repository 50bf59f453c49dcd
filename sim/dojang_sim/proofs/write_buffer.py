"""The write buffer gives slots out when they are free, and drives what was stored in them when it is due."""

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config
from dojang_hdl.lpddr4.write_buffer import WriteBuffer
from dojang_hdl.memory import MemoryWrite

from .contracts import Stores
from .prove import Harness
from .rules import saturating

__all__ = ["WriteSlots"]

BURSTS = 4
"""Slots of the buffer; the controller's has 64."""

NUMBER = (2 * BURSTS - 1).bit_length()
"""Bits of a slot, with its lap."""

PLACE = NUMBER - 1


class WriteSlots(Harness):
    """Stores as the write gather makes them; slots that were given out are sent, each once, as soon as the bus allows
    or later.

    One half of one place of the ring, any, is followed: when its slot is sent, the word that was stored last leaves.
    """

    kept = ("buffer.flags",)

    def __init__(self, config: Lpddr4Config, buffer: type[WriteBuffer] = WriteBuffer):
        self._config, self._buffer = config, buffer
        self._rows = BURST // config.ratio              # of a burst, in the storage
        self._addressed = config.write_delay - 1        # cycles from the command until its first row is addressed
        self._row = data.ArrayLayout(MemoryWrite, 2 // self._rows)
        flags, rows = range(BURSTS), range(BURSTS * self._rows)
        self.inside = {"oldest": "buffer.oldest", "used": "buffer.used",
                       **{f"flag{place}": f"buffer.flags[{place}]" for place in flags},
                       **{f"row{place}": f"buffer.storage[{place}]" for place in rows}}
        super().__init__({
            "word": In(MemoryWrite), "half": In(1), "en": In(1), "take": In(1), "send": In(1), "slot": In(NUMBER),
            "follow": In(PLACE), "follow_half": In(1), "oldest": In(NUMBER), "used": In(range(BURSTS + 1)),
            **{f"flag{place}": In(1) for place in flags}, **{f"row{place}": In(self._row) for place in rows},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self._buffer(self._config, BURSTS)
        m.d.comb += [
            buffer.word.eq(self.word), buffer.half.eq(self.half), buffer.en.eq(self.en), buffer.take.eq(self.take),
            buffer.sent.write.eq(self.send), buffer.sent.slot.eq(self.slot),
        ]
        stores = Stores(m, en=self.en, half=self.half, take=self.take, room=buffer.room, slot=buffer.slot)
        stores.of_gather(m, Assume)
        stores.of_buffer(m, Assert)
        sends = [(self.send, self.slot)]    # of this cycle, of the one before, and so on
        for age in range(1, self._addressed + 2 + self._rows):
            sent, slot = Signal(name=f"sent{age}"), Signal(NUMBER, name=f"slot{age}")
            m.d.sync += [sent.eq(sends[-1][0]), slot.eq(sends[-1][1])]
            sends.append((sent, slot))
        m.d.comb += Assume(~self.send | ~Cat(sent for sent, _ in sends[1:self._rows]).any())     # tCCD
        self._slots(m, buffer, sends)
        self._words(m, buffer, sends)
        return m

    def _slots(self, m, buffer, sends):
        """Slots are given out, sent, and addressed; then they become free, in order."""
        given = Signal(2 * BURSTS)
        selected = _token(*sends[0])
        m.d.sync += given.eq(given & ~selected | _token(self.take, buffer.slot))
        ages = [_token(*send) for send in sends]
        waiting = _union(given, *ages[1:self._addressed + 1])       # not addressed in a cycle before
        unread = _union(given, *ages[1:self._addressed + self._rows])
        tokens = range(2 * BURSTS)
        distances = [(token - self.oldest)[:NUMBER] for token in tokens]
        in_use, next_lap = Signal(len(tokens)), Signal(len(tokens))
        flagged = Cat(getattr(self, f"flag{token % BURSTS}") != token // BURSTS for token in tokens)
        cleared = saturating(m, True, BURSTS, "cleared")    # flags, in the cycles since the reset
        clearing = cleared < BURSTS
        known = Cat(cleared > token % BURSTS for token in tokens)
        m.d.comb += [
            in_use.eq(Cat(distance < self.used for distance in distances)),
            next_lap.eq(Cat(distance < BURSTS for distance in distances)),
            Assume((selected & ~given) == 0),
            Assert(~self.en | ~(unread[:BURSTS] | unread[BURSTS:]).bit_select(buffer.slot[:PLACE], 1),
                   "nothing is stored over what has not been fetched"),
            Assert(~self.take | ~in_use.bit_select(buffer.slot, 1), "no slot is given out twice"),
            Assert(self.used <= BURSTS, "no more slots in use than there are"),
            # What makes it inductive
            Assert(buffer.slot == (self.oldest + self.used)[:NUMBER], "slots in use are neighbours"),
            Assert((waiting & ~in_use) == 0, "what waits is in use"),
            Assert(~clearing | (self.used == 0) & (self.oldest == 0), "nothing begins before flags are cleared"),
            Assert(buffer.room == ~clearing & (self.used != BURSTS), "room for all that is not in use"),
            Assert((flagged & next_lap & known) == (in_use & ~waiting), "flags say what has been fetched"),
        ]
        resting = saturating(m, ~self.take & (waiting == 0), BURSTS, "resting")
        m.d.comb += Assert((resting < BURSTS) | (self.used == 0), "what has been fetched becomes free")

    def _words(self, m, buffer, sends):
        follow, half, began = Signal(PLACE), Signal(), Signal()
        m.d.sync += [follow.eq(self.follow), half.eq(self.follow_half), began.eq(1)]
        m.d.comb += Assume(~began | (self.follow == follow) & (self.follow_half == half))     # constants

        stored, leaving = Signal(MemoryWrite), Signal(MemoryWrite)
        with m.If(self.en & (self.half == self.follow_half) & (buffer.slot[:PLACE] == self.follow)):
            m.d.sync += stored.eq(self.word)
        with m.If(self.send & (self.slot[:PLACE] == self.follow)):
            m.d.sync += leaving.eq(stored)
        driven = sends[self._addressed + 2:]        # the bursts whose first row, second row is driven
        m.d.comb += Assert(buffer.valid == Cat(sent for sent, _ in driven).any(), "data are driven when they are due")
        rows = Array(getattr(self, f"row{place}") for place in range(BURSTS * self._rows))
        words = Signal(data.ArrayLayout(MemoryWrite, 2 // self._rows))
        for word in range(2 // self._rows):
            m.d.comb += [words[word].data.eq(buffer.data.as_value().word_select(word, 128)),
                         words[word].mask.eq(~buffer.mask.as_value().word_select(word, 16))]
        if self._rows == 2:
            row, word = rows[Cat(self.follow_half, self.follow)], 0
        else:
            row, word = rows[self.follow], self.follow_half
        m.d.comb += Assert(data.View(self._row, row)[word] == stored, "stored as thought")
        for part, (sent, slot) in enumerate(driven):
            due = sent & (slot[:PLACE] == self.follow) & ((self.follow_half == part) | (self._rows == 1))
            m.d.comb += Assert(~due | (words[word] == leaving), "what was stored leaves")


def _token(valid, slot):
    """A bit for every slot."""
    return Mux(valid, Const(1, 2 * BURSTS) << slot, 0)[:2 * BURSTS]


def _union(*sets):
    union = sets[0]
    for other in sets[1:]:
        union = union | other
    return union
