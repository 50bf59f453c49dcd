"""Counters that the host reads one by one."""

from collections.abc import Sequence

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from .counters import MEMORY_REGISTERS

__all__ = ["EventCounters"]

_BITS = 32


class EventCounters(wiring.Component):
    """A 32-bit counter for each name; they wrap. Few flip-flops each: the rest of a counter is in a small memory.

    A short counter for each name takes what happens; in turns, one a cycle, they are added to the memory.

    Parameters
    ----------
    names: of the counters, `MEMORY_REGISTERS` at most.

    Members
    -------
    events: by name, one for every cycle in which it happened.
    enable, clear: count; become 0.
    address, data: read of one counter, by its place in ``names``, 0 beyond; data a cycle later. A read sees what
        happened `latency` cycles before it, a ``clear`` and a reset too.
    """

    def __init__(self, names: Sequence[str]):
        if len(names) > MEMORY_REGISTERS:
            raise ValueError(f"{len(names)} counters, expected {MEMORY_REGISTERS} at most")
        self._names = tuple(names)
        self.latency = len(self._names) + 2
        super().__init__({
            "events": In(data.StructLayout(dict.fromkeys(names, 1))), "enable": In(1), "clear": In(1),
            "address": In(range(MEMORY_REGISTERS)), "data": Out(_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        count = len(self._names)
        m.submodules.totals = totals = memory.Memory(shape=_BITS, depth=count, init=[])
        put, get, look = totals.write_port(), totals.read_port(domain="comb"), totals.read_port(domain="comb")
        recent = [Signal(range(count + 1), name=f"recent_{name}") for name in self._names]
        turn, stale = Signal(range(count)), Signal(count, init=~0)      # stale: what the memory has does not count
        total, added = Signal(_BITS), Signal(range(count + 1))
        m.d.comb += [get.addr.eq(turn), look.addr.eq(self.address),
                     put.en.eq(1), put.data.eq(total + added)]
        m.d.sync += [
            turn.eq(Mux(turn == count - 1, 0, turn + 1)), put.addr.eq(turn),
            total.eq(Mux(stale.bit_select(turn, 1), 0, get.data)), added.eq(Array(recent)[turn]),
            self.data.eq(Mux(self.address < count, look.data, 0)),
            stale.eq(Mux(self.clear, ~0, stale & ~(1 << turn))),
        ]
        for number, (name, short) in enumerate(zip(self._names, recent, strict=True)):
            event = self.enable & self.events[name]
            with m.If(self.clear):
                m.d.sync += short.eq(0)
            with m.Else():
                m.d.sync += short.eq(Mux(turn == number, 0, short) + event)
        return m
