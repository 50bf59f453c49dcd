"""Which positions of the cache a query reads, as dynamic values of a program."""

from dataclasses import dataclass

import numpy as np
from dojang_hdl.config import BLOCK
from dojang_hdl.isa import Reg

from .layout import round_up
from .program import COUNT_LIMIT, Count

__all__ = ["Span", "mask_table"]


@dataclass(frozen=True)
class Span:
    """Positions from 0 up to a query's own, or whole tiles of 32 around its window.

    With a window a query at p reads from tile ``max(p - whole, 0) / 32`` on; what it does not see there is masked.
    Positions are counted from that tile's first one. The first ``whole`` of them are the head of the span; once p
    has passed that many, one tile follows, the tail.

    Parameters
    ----------
    positions: that a sequence may have, a multiple of 32.
    window: positions that a query sees, its own the last of them; 0 for all.
    """

    positions: int
    window: int = 0

    @property
    def whole(self) -> int:
        """The window up to a whole tile."""
        return round_up(self.window, BLOCK)

    @property
    def size(self) -> int:
        """Most positions that are read."""
        return self.whole + BLOCK if self.window else self.positions

    @property
    def masked(self) -> int:
        """Positions at the start of the head that a query may not see, whole words of them."""
        return min(self.whole, round_up(self.whole - self.window + BLOCK, 4))

    @property
    def mask_size(self) -> int:
        """Elements of a row of `mask_table`."""
        return self.masked + BLOCK if self.window else 0

    def units(self, c: int, unit: int, start: int, size: int, mul: int) -> Count:
        """``mul`` for each ``unit`` (4, 8 or 32) of the ``size`` positions from ``start`` on, as far as context c
        reads; with a window in whole tiles.
        """
        if self.window:
            unit, mul = BLOCK, mul * BLOCK // unit
        return Count(reg=Reg.POS, shift=unit.bit_length() - 1, bias=unit - start, limit=size // unit, mul=mul,
                     context=c)

    def elements(self, c: int) -> Count:
        """Elements of a vector of scores: those up to context c's own position; with a window whole tiles."""
        if self.window:
            return self.units(c, BLOCK, 0, self.size, BLOCK)
        return Count(base=1, reg=Reg.POS, limit=COUNT_LIMIT, mul=1, context=c)

    def head(self, c: int, limit: int) -> Count:
        """Elements of the head, of the first ``limit`` of it: those up to context c's own position."""
        return Count(reg=Reg.POS, bias=1, limit=limit, mul=1, context=c)

    def tail(self, c: int, base: int = 0) -> Count:
        """``base`` and the elements of the tail, all or none."""
        return Count(base, Reg.POS, shift=5, bias=BLOCK - self.whole, limit=1, mul=BLOCK, context=c)

    def beginning(self, c: int, words: int) -> dict[str, int]:
        """MEM fields that go from the cache's first tile to the first one that context c reads, ``words`` each."""
        first = {"m_reg": Reg.ROW, "m_bias": -self.whole} if self.window else {"m_reg": Reg.START}
        return {"context": c, "m_shift": 5, "m_mul": words, **first}


def mask_table(span: Span) -> np.ndarray:
    """float32 [position, `Span.mask_size`]: what is added to the scores of the head's first elements and of the tail of
    a query there, 0 where it sees them and minus infinity else.
    """
    at = np.arange(span.positions)[:, None]
    first = np.maximum(at - span.whole, 0) // BLOCK * BLOCK
    other = first + np.concatenate([np.arange(span.masked), span.whole + np.arange(BLOCK)])
    return np.where((other > at - span.window) & (other <= at), 0, -np.inf).astype("<f4")
