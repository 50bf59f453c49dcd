"""Keeps write bursts until the bus is theirs."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..memory import MemoryWrite
from .phy import BEAT_BITS
from .scheduler import Sent
from .timing import BURST, Lpddr4Config

__all__ = ["WriteBuffer"]


class WriteBuffer(wiring.Component):
    """A ring of burst slots, given out in order and emptied in any order, in time with the bus.

    A slot's flag in the ring says in which lap it was emptied, so it is cleared after a reset only. Until all are, for
    ``bursts`` cycles, there is no room.

    Parameters
    ----------
    config: the channel.
    bursts: slots, a power of two.
    many: slots in use from which on writes press for the bus. Three quarters: what is written in groups of 512 bytes
        then has the bus once for several groups.

    Members
    -------
    slot: the next slot to be given out, with the lap above it; ``take`` gives it out.
    room: there is a free slot.
    pressure: many slots are in use.
    word, half, en: a word for that slot.
    sent: the writes as they leave.
    data, mask, valid: as in `PhyPort`, ``write_delay`` + 1 cycles after ``sent``.
    """

    def __init__(self, config: Lpddr4Config, bursts: int = 64, many: int = 48):
        self._config, self._bursts, self._many = config, bursts, many
        super().__init__({
            "slot": Out((bursts - 1).bit_length() + 1), "take": In(1), "room": Out(1), "pressure": Out(1),
            "word": In(MemoryWrite), "half": In(1), "en": In(1), "sent": In(Sent),
            "data": Out(data.ArrayLayout(BEAT_BITS, 2 * config.ratio)),
            "mask": Out(data.ArrayLayout(2, 2 * config.ratio)), "valid": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        index = len(self.slot) - 1
        words = self._config.ratio // 4     # of a memory row
        rows = BURST // self._config.ratio  # of a burst
        m.submodules.storage = storage = memory.Memory(
            shape=data.ArrayLayout(MemoryWrite, words), depth=self._bursts * rows, init=[])
        m.submodules.flags = flags = memory.Memory(shape=1, depth=self._bursts, init=[])

        store = storage.write_port(granularity=1 if words > 1 else None)
        m.d.comb += store.addr.eq(Cat(self.half, self.slot[:index]) if rows > 1 else self.slot[:index])
        if words > 1:
            m.d.comb += store.en.eq(Cat(self.en & ~self.half, self.en & self.half))
        else:
            m.d.comb += store.en.eq(self.en)
        for word in range(words):
            m.d.comb += store.data[word].eq(self.word)

        # The fetch takes two of the cycles until the data is due.
        delay = self._config.write_delay - 1
        due, slot = self.sent.write, self.sent.slot
        for stage in range(delay):
            due_next, slot_next = Signal(name=f"due{stage}"), Signal(len(self.sent.slot), name=f"slot{stage}")
            m.d.sync += [due_next.eq(due), slot_next.eq(slot)]
            due, slot = due_next, slot_next
        fetch = storage.read_port()
        second, previous = Signal(), Signal(index)
        fetched = Signal()
        if rows > 1:
            m.d.sync += [second.eq(due), previous.eq(slot[:index])]
            m.d.comb += fetch.addr.eq(Cat(second, Mux(second, previous, slot[:index])))
        else:
            m.d.comb += fetch.addr.eq(slot[:index])
        m.d.sync += [fetched.eq(due | second), self.valid.eq(fetched)]
        m.d.sync += [
            self.data.eq(Cat(fetch.data[word].data for word in range(words))),
            self.mask.eq(Cat(~fetch.data[word].mask for word in range(words))),
        ]

        # Slots become free in order, once their last row is being read.
        oldest, used = Signal(index + 1, name="oldest"), Signal(range(self._bursts + 1))
        flag, look = flags.write_port(), flags.read_port(domain="comb")
        free = Signal()
        m.d.comb += [
            flag.en.eq(due), flag.addr.eq(slot[:index]), flag.data.eq(~slot[index]),
            look.addr.eq(oldest[:index]), free.eq((look.data == ~oldest[index]) & (used != 0)),
        ]
        m.d.sync += [
            oldest.eq(oldest + free), self.slot.eq(self.slot + self.take), used.eq(used + self.take - free),
            self.pressure.eq(used >= self._many),
        ]
        m.d.comb += self.room.eq(used != self._bursts)

        clearing, cleared = Signal(init=1), Signal(index)
        with m.If(clearing):
            m.d.comb += [flag.en.eq(1), flag.addr.eq(cleared), flag.data.eq(0), self.room.eq(0)]
            m.d.sync += [cleared.eq(cleared + 1), clearing.eq(~cleared.all())]
        return m
