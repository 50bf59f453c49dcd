"""Reads that wait for the bus to turn to writes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["WaitingReads"]


class WaitingReads(wiring.Component):
    """Whether in some bank a write could be sent that a read is behind.

    With one port such a read soon stops the others, whose words must wait for its own, and the bus falls quiet and
    turns. With two ports short reads of the other one can keep it from turning for as long as a write may wait.

    Parameters
    ----------
    banks: how many.
    depth: most reads in a bank.

    Members
    -------
    offered: of each bank, a read is offered to it; ``taken``: and enters its queue.
    done: of each bank, the last burst of a read leaves.
    writes: banks that could send a write.
    waiting: some of them has a read behind it; a cycle later.
    """

    def __init__(self, banks: int, depth: int):
        self._banks, self._depth = banks, depth
        super().__init__({"offered": In(banks), "taken": In(banks), "done": In(banks), "writes": In(banks),
                          "waiting": Out(1)})

    def elaborate(self, platform):
        m = Module()
        behind = Signal(self._banks)
        for bank in range(self._banks):
            reads = Signal(range(self._depth + 1), name=f"reads{bank}")
            m.d.sync += reads.eq(reads + self.taken[bank] - self.done[bank])
            m.d.comb += behind[bank].eq((reads != 0) | self.offered[bank])
        m.d.sync += self.waiting.eq((behind & self.writes).any())
        return m
