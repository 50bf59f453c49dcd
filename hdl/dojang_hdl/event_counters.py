"""Counters that the host reads one by one."""

from collections.abc import Sequence

from amaranth.hdl import Array, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .counters import MEMORY_REGISTERS

__all__ = ["EventCounters"]


class EventCounters(wiring.Component):
    """A 32-bit counter for each name; they wrap.

    Members
    -------
    events: by name, one for every cycle in which it happened.
    enable, clear: count; become 0.
    address, data: read of one counter, by its place in ``names``, 0 beyond; data a cycle later.
    counters: all of them.
    """

    def __init__(self, names: Sequence[str]):
        self._names = tuple(names)
        super().__init__({
            "events": In(data.StructLayout(dict.fromkeys(names, 1))), "enable": In(1), "clear": In(1),
            "address": In(range(MEMORY_REGISTERS)), "data": Out(32),
            "counters": Out(data.StructLayout(dict.fromkeys(names, 32))),
        })

    def elaborate(self, platform):
        m = Module()
        for name in self._names:
            counter = self.counters[name]
            with m.If(self.clear):
                m.d.sync += counter.eq(0)
            with m.Elif(self.enable & self.events[name]):
                m.d.sync += counter.eq(counter + 1)
        values = Array([*(self.counters[name] for name in self._names), 0])
        m.d.sync += self.data.eq(values[self.address])
        return m
