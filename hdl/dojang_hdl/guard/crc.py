"""CRC-32 of whole words, as logic."""

import zlib
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.data import ArrayLayout
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, WORD_BYTES

__all__ = ["Crc32"]

_BITS = 32
_NOTHING = zlib.crc32(bytes(WORD_BYTES))
_COLUMNS = [zlib.crc32((1 << bit).to_bytes(WORD_BYTES, "little")) ^ _NOTHING for bit in range(WORD_BITS)]
"""Bits of the state that bit i of a word inverts; those of the state before are as the word's lower ones."""

_GROUP = 3
"""Bits whose sums are made once for all bits of the state: the least logic with four inputs a table."""


class Crc32(wiring.Component):
    """CRC-32 (IEEE 802.3, as in zlib) of the words of two messages, which may come mixed, one a cycle.

    Members
    -------
    data, valid: a word. start: it is the first one of its message; without ``valid``: the next one is.
    message: which one is meant.
    crc: of both messages, up to the cycle before.
    """

    data: In(WORD_BITS)
    valid: In(1)
    start: In(1)
    message: In(1)
    crc: Out(ArrayLayout(_BITS, 2))

    def elaborate(self, platform):
        m = Module()
        states = [Signal(_BITS, init=~0, name=f"state{message}") for message in range(2)]
        state, word = Mux(self.message, states[1], states[0]), Signal(WORD_BITS)
        m.d.comb += [*(self.crc[message].eq(~of_message) for message, of_message in enumerate(states)),
                     word.eq(self.data ^ (state | self.start.replicate(_BITS)))]
        terms = [[] for _ in range(_BITS)]
        for first in range(0, WORD_BITS, _GROUP):
            bits = range(first, min(first + _GROUP, WORD_BITS))
            sums = {}
            for row, found in enumerate(terms):
                chosen = tuple(bit for bit in bits if _COLUMNS[bit] >> row & 1)
                if chosen and chosen not in sums:
                    sums[chosen] = Signal(name=f"sum_{'_'.join(map(str, chosen))}")
                    m.d.comb += sums[chosen].eq(reduce(xor, (word[bit] for bit in chosen)))
                if chosen:
                    found.append(sums[chosen])
        for message, of_message in enumerate(states):
            with m.If(self.valid & (self.message == message)):
                m.d.sync += of_message.eq(Cat(Cat(found).xor() for found in terms))
            with m.Elif(self.start & (self.message == message)):
                m.d.sync += of_message.eq(~0)
        return m
