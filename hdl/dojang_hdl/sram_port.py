"""The ports of a node's SRAM."""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .config import ELEMENTS, WORD_BITS

__all__ = ["SRAM_LATENCY", "SramRead", "SramWrite"]

SRAM_LATENCY = 2
"""Cycles from ``addr`` to ``data``: the memory's own register and the output register behind the bank multiplexer."""


class SramRead(wiring.Signature):
    """Reader's view: present ``addr`` in cycle t, use ``data`` in cycle t + SRAM_LATENCY. One read per cycle."""

    def __init__(self):
        super().__init__({"addr": Out(16), "data": In(WORD_BITS)})


class SramWrite(wiring.Signature):
    """Writer's view: with ``en``, the 32-bit elements of ``data`` selected by ``mask`` are written to ``addr``."""

    def __init__(self):
        super().__init__({"en": Out(1), "addr": Out(16), "data": Out(WORD_BITS), "mask": Out(ELEMENTS)})
