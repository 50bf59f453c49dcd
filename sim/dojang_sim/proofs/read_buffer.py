"""The read buffer delivers the wanted words of every slot it gives out, each once, in the order of the slots."""

from itertools import pairwise

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.read_buffer import ReadBuffer
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config

from .prove import Harness
from .rules import saturating

__all__ = ["ReadOrder"]

IN_FLIGHT = 4
"""Reads sent and not answered that the harness keeps, registers included."""

DELIVERY_CYCLES = 3
"""From the cycle in which a burst is complete to the one in which its first word may leave."""


class ReadOrder(Harness):
    """Slots are given out as far as there is room, read in any order, and answered at any time; mode registers too.

    A word read carries the number of its slot, with the lap, and its half. ``state`` of a slot: given out, sent,
    answered. ``bursts`` is the size of the ring, at least that of the output queue: numbers are not reused too soon.
    """

    def __init__(self, config: Lpddr4Config, buffer: type[ReadBuffer] = ReadBuffer, bursts: int = 4):
        self._config, self._buffer, self._bursts = config, buffer, bursts
        self._number = (2 * bursts - 1).bit_length()
        super().__init__({
            "take": In(7), "send": In(1), "slot": In(self._number), "register": In(1), "wanted": In(2),
            "valid": In(1), "ready": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self._buffer(self._config, self._bursts)
        tokens = range(2 ** self._number)
        given, sent, answered = (Signal(len(tokens), name=name) for name in ("given", "sent", "answered"))
        wanted = Array(Signal(2, name=f"wanted{token}") for token in tokens)
        selected = Const(1, len(tokens)) << self.slot
        m.d.comb += [
            buffer.take.eq(self.take), buffer.o.ready.eq(self.ready),
            buffer.sent.read.eq(self.send), buffer.sent.register.eq(self.register), buffer.sent.slot.eq(self.slot),
            buffer.sent.wanted.eq(self.wanted),
            Assume(self.take <= buffer.room), Assume(self.wanted != 0),
            Assume(~self.send | self.register | (selected & given).any()),
        ]
        giving = Cat((token - buffer.slot)[:self._number] < self.take for token in tokens)
        sending = Mux(self.send & ~self.register, selected, 0)[:len(tokens)]
        with m.If(self.send & ~self.register):
            m.d.sync += wanted[self.slot].eq(self.wanted)

        # In flight
        flying = [Signal(data.StructLayout({"register": 1, "slot": self._number}), name=f"flying{place}")
                  for place in range(IN_FLIGHT)]
        count, part = Signal(range(IN_FLIGHT + 1)), Signal()
        rows = BURST // self._config.ratio
        lands = Signal()
        m.d.comb += [
            Assume(~self.valid | (count != 0)), Assume(~self.send | (count != IN_FLIGHT)),
            buffer.valid.eq(self.valid), lands.eq(self.valid & (part == rows - 1)),
        ]
        words = [Cat(flying[0].slot, half) for half in ((part,) if rows > 1 else (0, 1))]
        m.d.comb += buffer.data.as_value().eq(Cat(Cat(word, Const(0, 128 - len(word))) for word in words))
        if rows > 1:
            m.d.sync += part.eq(part ^ self.valid)
        remaining = count - lands
        m.d.sync += count.eq(remaining + self.send)
        with m.If(lands):
            m.d.sync += [here.eq(after) for here, after in pairwise(flying)]
        for place, entry in enumerate(flying):
            with m.If(self.send & (remaining == place)):
                m.d.sync += [entry.register.eq(self.register), entry.slot.eq(self.slot)]
        landing = Mux(lands & ~flying[0].register, Const(1, len(tokens)) << flying[0].slot, 0)[:len(tokens)]

        # What leaves
        oldest, second = Signal(self._number), Signal()
        half, ends, leaves = Signal(), Signal(), Signal()
        late = saturating(m, answered.bit_select(oldest, 1) & ~buffer.o.valid, DELIVERY_CYCLES + 1, "late")
        leaving = Mux(leaves & ends, Const(1, len(tokens)) << oldest, 0)[:len(tokens)]
        m.d.comb += [
            half.eq(second | ~wanted[oldest][0]), ends.eq(half | ~wanted[oldest][1]),
            leaves.eq(buffer.o.valid & self.ready),
            Assert(~buffer.o.valid | answered.bit_select(oldest, 1), "nothing leaves that was not read"),
            Assert(~buffer.o.valid | (buffer.o.payload == Cat(oldest, half)), "words leave in order, each once"),
            Assert(~(giving & (given | sent | answered)).any(), "no slot is given out twice"),
            Assert(late <= DELIVERY_CYCLES, "what was read leaves"),
        ]
        m.d.sync += [
            given.eq(given & ~sending | giving), sent.eq(sent & ~landing | sending),
            answered.eq(answered & ~leaving | landing),
        ]
        with m.If(leaves):
            m.d.sync += [second.eq(~ends), oldest.eq(oldest + ends)]
        return m
