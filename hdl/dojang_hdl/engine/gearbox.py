"""Words of a window code's plane stream to the symbols of one row after the other."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, WORD_BITS
from ..isa import Code
from ..window_code import CODES
from .row_sequencer import QUAD, pairs_of

__all__ = ["SYMBOL_BITS", "Gearbox"]

SYMBOL_BITS = 4
"""Bits of a symbol that come with its row; the fifth bit of X2.5 comes a cycle later."""


class Gearbox(wiring.Component):
    """Keeps what of a word later rows need. Quarter q of a word is its bits 32q to 32q + 31.

    Parameters
    ----------
    lanes: rows of a unit.
    codes: the window codes there are.

    Members
    -------
    word: the plane stream's.
    take_mask, take_fifth, row, direct, phase, active_code: `RowSequencer`'s.
    masked: the command's.
    symbol: with ``row`` and the first row of a symbol: bit i of its column j is bit j of quarter i.
    fifth: fifth bits of the last symbol that went, zero after the second row.
    mask: of all rows of the unit whose last row went last; all ones if not ``masked``, its plane if it is one of PLAIN.
    """

    def __init__(self, lanes: int, codes: frozenset[Code]):
        self._lanes, self._codes = lanes, codes
        super().__init__({
            "word": In(WORD_BITS), "take_mask": In(1), "take_fifth": In(1), "masked": In(1),
            "row": In(1), "direct": In(1), "phase": In(3), "active_code": In(len(Code)),
            "symbol": Out(BLOCK * SYMBOL_BITS), "fifth": Out(BLOCK), "mask": Out(BLOCK * lanes),
        })

    def elaborate(self, platform):
        m = Module()
        quarters = [self.word.word_select(q, BLOCK) for q in range(4)]

        # What is not in use is zero, so that kept bits need an or only.
        kept: list[list[Signal]] = [[] for _ in range(SYMBOL_BITS)]
        if Code.X2 in self._codes and not pairs_of(self._lanes, self._codes):
            for bit in range(2):
                second = Signal(BLOCK, name=f"second{bit}", reset_less=True)
                with m.If(~self.active_code[Code.X2]):
                    m.d.sync += second.eq(0)
                with m.Elif(self.row & self.direct):
                    m.d.sync += second.eq(quarters[2 + bit])
                kept[bit].append(second)
        if Code.X3 in self._codes:
            fourth = [Signal(BLOCK, name=f"fourth{bit}", reset_less=True) for bit in range(3)]
            with m.If(~self.active_code[Code.X3]):
                m.d.sync += Cat(*fourth).eq(0)
            with m.Elif(self.row & self.direct):
                m.d.sync += Cat(*fourth).eq(Cat(*fourth[1:], quarters[3]))
            for bit, value in enumerate(fourth):
                kept[bit].append(value)
        for bit in range(SYMBOL_BITS):
            symbol = self.symbol.word_select(bit, BLOCK)
            m.d.comb += symbol.eq(Mux(self.direct, quarters[bit], reduce(or_, kept[bit])) if kept[bit]
                                  else quarters[bit])

        masks = Signal(WORD_BITS, init=-1, reset_less=True)  # a flip-flop is set to its initial value for free
        with m.If(~(self.masked | self.active_code[Code.PLAIN])):
            m.d.sync += masks.eq(-1)
        with m.Elif(self.take_mask):
            m.d.sync += masks.eq(self.word)
        units = range(QUAD // self._lanes)
        m.d.comb += self.mask.eq(self._by_turns(m, masks, [self.phase[:2] // self._lanes == unit for unit in units]))
        if any(CODES[code].step_bits > SYMBOL_BITS for code in self._codes):
            fifths = Signal(WORD_BITS, reset_less=True)
            with m.If(self.take_fifth):
                m.d.sync += fifths.eq(self.word)
            m.d.comb += self.fifth.eq(self._by_turns(m, fifths, [self.phase == 2 * q for q in range(4)]))
        return m

    def _by_turns(self, m, word: Signal, turns: list[Value]) -> Value:
        """When the last row went: the part of ``word`` whose turn it was, or zero."""
        width = len(word) // len(turns)
        chosen = [Signal(width, name=f"{word.name}_{part}", reset_less=True) for part in range(len(turns))]
        for part, (value, turn) in enumerate(zip(chosen, turns, strict=True)):
            with m.If(self.row & ~turn):
                m.d.sync += value.eq(0)
            with m.Elif(self.row):
                m.d.sync += value.eq(word.word_select(part, width))
        return reduce(or_, chosen)
