"""Puts read bursts back into the order of their commands."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from .phy import BEAT_BITS
from .scheduler import Sent
from .timing import BURST, Lpddr4Config

__all__ = ["ReadBuffer"]

IN_FLIGHT = 32
"""Bursts between their RD and their data at most: RL + tDQSCK and the PHY's own cycles."""

OUTPUT_WORDS = 4


class ReadBuffer(wiring.Component):
    """A ring of burst slots, given out in order, filled in any order and emptied in order. One word a cycle.

    A slot's flag in the ring says in which lap it was filled, so it is cleared after a reset only. Until all are, for
    ``bursts`` cycles, there is no room.

    Parameters
    ----------
    config: the channel.
    bursts: slots, a power of two. They bound how far reads look ahead: 256 are four rows.
    in_flight: bursts between their RD and their data.

    Members
    -------
    slot: the next slot to be given out, with the lap above it.
    take: so many slots are given out in this cycle.
    room: free slots, from 2 cycles after their last word was fetched on.
    sent: the reads as they leave.
    data, valid: from the PHY.
    register, register_valid: what a mode register held, strobe.
    o: Out stream of words.
    """

    def __init__(self, config: Lpddr4Config, bursts: int = 256, in_flight: int = IN_FLIGHT):
        self._config, self._bursts, self._in_flight = config, bursts, in_flight
        index = (bursts - 1).bit_length()
        super().__init__({
            "slot": Out(index + 1), "take": In(7), "room": Out(index + 1), "sent": In(Sent),
            "data": In(data.ArrayLayout(BEAT_BITS, 2 * config.ratio)), "valid": In(1),
            "register": Out(8), "register_valid": Out(1), "o": Out(stream.Signature(WORD_BITS)),
        })

    def elaborate(self, platform):
        m = Module()
        index = len(self.slot) - 1
        words = self._config.ratio // 4     # of a memory row
        rows = BURST // self._config.ratio  # of a burst
        m.submodules.storage = storage = memory.Memory(
            shape=data.ArrayLayout(WORD_BITS, words), depth=self._bursts * rows, init=[])
        m.submodules.flags = flags = memory.Memory(
            shape=data.StructLayout({"lap": 1, "wanted": 2}), depth=self._bursts, init=[])

        # What comes back
        m.submodules.flight = flight = fifo.SyncFIFO(width=Sent.size, depth=self._in_flight)
        m.d.comb += [flight.w_en.eq(self.sent.read), flight.w_data.eq(self.sent)]
        burst = data.View(Sent, flight.r_data)
        part = Signal(range(max(rows, 2)))
        store, flag = storage.write_port(), flags.write_port()
        m.d.comb += [
            store.en.eq(self.valid & ~burst.register), store.data.eq(self.data.as_value()),
            store.addr.eq(Cat(part, burst.slot[:index]) if rows > 1 else burst.slot[:index]),
            flight.r_en.eq(self.valid & (part == rows - 1)),
            flag.en.eq(flight.r_en & ~burst.register), flag.addr.eq(burst.slot[:index]),
            flag.data.lap.eq(~burst.slot[index]), flag.data.wanted.eq(burst.wanted),
        ]
        with m.If(self.valid):
            m.d.sync += part.eq(0 if rows == 1 else part + 1)
        with m.If(self.valid & (part == 0)):
            m.d.sync += self.register.eq(self.data[0][:8])
        m.d.sync += self.register_valid.eq(flight.r_en & burst.register)

        # What goes out
        at = Signal(index + 1)
        second, half, ends, go = Signal(name="second"), Signal(), Signal(), Signal()
        credits = Signal(range(OUTPUT_WORDS + 1), init=OUTPUT_WORDS)
        look, fetch = flags.read_port(domain="comb"), storage.read_port()
        m.submodules.output = output = fifo.SyncFIFO(width=WORD_BITS, depth=OUTPUT_WORDS)
        fetched, fetched_half = Signal(name="fetched"), Signal()
        pop = self.o.valid & self.o.ready
        m.d.comb += [
            look.addr.eq(at[:index]),
            half.eq(second | ~look.data.wanted[0]), ends.eq(half | ~look.data.wanted[1]),
            go.eq((look.data.lap == ~at[index]) & (credits != 0)),
            fetch.addr.eq(Cat(half, at[:index]) if rows > 1 else at[:index]),
            output.w_en.eq(fetched),
            output.w_data.eq(fetch.data[fetched_half] if words > 1 else fetch.data[0]),
            self.o.valid.eq(output.r_rdy), self.o.payload.eq(output.r_data), output.r_en.eq(self.o.ready),
        ]
        m.d.sync += [fetched.eq(go), fetched_half.eq(half), credits.eq(credits + pop - go)]
        with m.If(go):
            m.d.sync += [second.eq(~ends), at.eq(at + ends)]
        back = Signal()     # a slot is free; a register, as the flags and ``take`` each come late in a cycle
        m.d.sync += [back.eq(go & ends), self.room.eq(self.room - self.take + back),
                     self.slot.eq(self.slot + self.take)]

        clearing, cleared = Signal(init=1), Signal(index)
        with m.If(clearing):
            m.d.comb += [flag.en.eq(1), flag.addr.eq(cleared), flag.data.eq(0), go.eq(0)]
            m.d.sync += cleared.eq(cleared + 1)
            with m.If(cleared.all()):
                m.d.sync += [clearing.eq(0), self.room.eq(self._bursts)]
        return m
