"""Least distances between commands."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Cooldown"]


class Cooldown(wiring.Component):
    """High when the least distance from each kind of event is over.

    A shift register of ones, as long as the longest distance: several events need no comparison, and ``ready`` is a
    flip-flop.

    Parameters
    ----------
    distances: cycles from an event of each kind to the first cycle in which ``ready`` is high again; 1 and less: the
        next one.

    Members
    -------
    event: bit i, an event of kind i in this cycle.
    ready: from reset on until the first event.
    soon: ``ready`` in the next cycle, unless there is an event in this one.
    """

    def __init__(self, *distances: int):
        self._distances = distances
        super().__init__({"event": In(len(distances)), "ready": Out(1), "soon": Out(1)})

    def elaborate(self, platform):
        m = Module()
        masks = [(1 << max(distance - 1, 0)) - 1 for distance in self._distances]
        busy = Signal(max(max(mask.bit_length() for mask in masks), 1))
        following = busy >> 1
        for event, mask in zip(self.event, masks, strict=True):
            following |= event.replicate(len(busy)) & mask
        m.d.sync += busy.eq(following)
        m.d.comb += [self.ready.eq(~busy[0]), self.soon.eq(~busy[1:2].any())]
        return m
