"""CRC-32 of whole words, as logic."""

import zlib
from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
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
    """CRC-32 (IEEE 802.3, as in zlib) of words, one a cycle.

    Members
    -------
    data, valid: a word. start: it is the first one; without ``valid``: the next one is.
    crc: of the words up to the cycle before.
    """

    data: In(WORD_BITS)
    valid: In(1)
    start: In(1)
    crc: Out(_BITS)

    def elaborate(self, platform):
        m = Module()
        state = Signal(_BITS, init=~0)
        word = Signal(WORD_BITS)
        m.d.comb += [self.crc.eq(~state), word.eq(self.data ^ (state | self.start.replicate(_BITS)))]
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
        with m.If(self.valid):
            m.d.sync += state.eq(Cat(Cat(found).xor() for found in terms))
        with m.Elif(self.start):
            m.d.sync += state.eq(~0)
        return m
