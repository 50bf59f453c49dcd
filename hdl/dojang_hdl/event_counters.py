"""Counters that the host reads one by one."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal
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
    names: of the counters, 2 to `MEMORY_REGISTERS`.

    Members
    -------
    events: by name, one for every cycle in which it happened.
    enable, clear: count; become 0.
    address, data: read of one counter, by its place in ``names``, 0 beyond; data a cycle later. A read sees what
        happened `latency` cycles before it, a ``clear`` and a reset too.
    """

    def __init__(self, names: Sequence[str]):
        if not 2 <= len(names) <= MEMORY_REGISTERS:
            raise ValueError(f"{len(names)} counters, expected 2 to {MEMORY_REGISTERS}")
        self._names = tuple(names)
        self._places = 1 << (len(self._names) - 1).bit_length()
        self.latency = self._places + 2
        super().__init__({
            "events": In(data.StructLayout(dict.fromkeys(names, 1))), "enable": In(1), "clear": In(1),
            "address": In(range(MEMORY_REGISTERS)), "data": Out(_BITS),
        })

    def elaborate(self, platform):
        m = Module()
        places = self._places
        m.submodules.totals = totals = memory.Memory(shape=_BITS, depth=places, init=[])
        put, get, look = totals.write_port(), totals.read_port(domain="comb"), totals.read_port(domain="comb")
        recent = [Signal(range(places), name=f"recent_{name}") for name in self._names]     # but for those of its turn
        counted = Cat(self.enable & self.events[name] for name in self._names)
        turn, turns = Signal(range(places)), Signal(places, init=1)     # as a number, and one-hot
        stale = Signal(range(places + 1), init=places)                  # turns to come that begin anew
        total, added, last = Signal(_BITS), Signal.like(recent[0]), Signal()
        rest = [Const(0, len(recent[0]))] * (places - len(recent))
        m.d.comb += [get.addr.eq(turn), look.addr.eq(self.address), put.en.eq(1),
                     put.data.eq((Cat(last, total) + Cat(last, added))[1:])]    # a carry is no adder more
        m.d.sync += [
            turn.eq(turn + 1), turns.eq(turns.rotate_left(1)), put.addr.eq(turn),
            total.eq(Mux(stale != 0, 0, get.data)), added.eq(Array([*recent, *rest])[turn]),
            last.eq((counted & turns).any()),
            self.data.eq(Mux(self.address < places, look.data, 0)),
            stale.eq(Mux(self.clear, places, stale - (stale != 0))),
        ]
        for mine, event, short in zip(turns, counted, recent, strict=False):
            with m.If(self.clear | mine):
                m.d.sync += short.eq(0)
            with m.Else():
                # No adder: its carry chain would be larger.
                m.d.sync += short.eq(Cat(bit ^ (event & short[:place].all()) for place, bit in enumerate(short)))
        return m
