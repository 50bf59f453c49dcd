"""What one part assumes of another: the same condition is an assumption of one proof and an assertion of the other.

Room and slots are registers of the buffers: what is assumed of them in a cycle was shown for the cycles before it.
"""

from amaranth.hdl import Assert, Assume, Module, Signal
from dojang_hdl.lpddr4.splitter import PAGE_WORDS
from dojang_hdl.lpddr4.timing import PAGE_BURSTS

__all__ = ["Stores", "room_stays", "slots_stay", "sound_access", "sound_piece"]


def sound_piece(piece):
    """A `Piece`: words of one row. From the splitter to the write gather and the dispatch."""
    return (piece.words != 0) & (piece.word + piece.words <= PAGE_WORDS)


def sound_access(access):
    """An `Access`: bursts of one row. From these two to the bank machines."""
    return (access.bursts != 0) & (access.burst + access.bursts <= PAGE_BURSTS)


def room_stays(m: Module, ready, accepted):
    """Only an access makes a bank's queue full. From the bank machines to the dispatch."""
    had_room = Signal(name="queue_had_room")
    m.d.sync += had_room.eq(ready & ~accepted)
    return ~had_room | ready


def slots_stay(m: Module, room, slot, take):
    """Only ``take`` changes the read buffer's next slot and makes its room less. From it to the dispatch."""
    room_left, next_slot, began = Signal.like(room, name="room_left"), Signal.like(slot, name="next_slot"), Signal()
    m.d.sync += [room_left.eq(room - take), next_slot.eq(slot + take), began.eq(1)]
    return ~began | (room >= room_left) & (slot == next_slot)


class Stores:
    """Between the write gather and the write buffer, which have the members of the same names.

    Members
    -------
    second: the first half of the slot has been stored.
    """

    def __init__(self, m: Module, *, en, half, take, room, slot):
        self.second = Signal(name="stored_first")
        taken, had_room = Signal.like(slot, name="taken"), Signal()
        m.d.sync += [self.second.eq(self.second ^ en), taken.eq(taken + take), had_room.eq(room & ~take)]
        self._gather = {
            "a first half then a second": ~en | (half == self.second),
            "a slot is taken with its second half": take == (en & half),
            "stored where there is room": ~en | room,
            "there was room for half a slot": ~self.second | had_room,
        }
        self._buffer = {"slots are given out in order": slot == taken, "room stays": ~had_room | room}

    def of_gather(self, m: Module, check: type[Assert] | type[Assume]) -> None:
        """``check`` what the write gather does."""
        m.d.comb += [check(holds, message) for message, holds in self._gather.items()]

    def of_buffer(self, m: Module, check: type[Assert] | type[Assume]) -> None:
        """``check`` what the write buffer does."""
        m.d.comb += [check(holds, message) for message, holds in self._buffer.items()]
