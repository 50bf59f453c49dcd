"""The rotation of activations: a 64-point Walsh-Hadamard transform, four elements a cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS
from .formats import Q_BITS, R_BITS, TURNED

__all__ = ["Rotation"]

WORDS = TURNED // ELEMENTS


class Rotation(wiring.Component):
    """r_i = sum of (-1)^popcount(i AND j) q_j over 64 elements, exact; or words pass as they are.

    A word comes out ``latency`` cycles after it went in, whatever it is. The 16 words of a transform go in in
    consecutive cycles; anything may be between two transforms.

    Members
    -------
    rotated: transform; stable while words are inside.
    index: number of the word in its transform.
    i: its four q.
    o: its four r, or q.
    """

    # A chain that adds or subtracts, as a cycle demands, costs a look-up table a bit in front of it. The multiplexer
    # of an operand inverts it for nothing: a stage gives a + b and ~a + b = ~(a - b). What stands in a stage inverted
    # is so for both operands: ~a + ~b + 1 = ~(a + b), a + ~b + 1 = a - b. In the end r_i is inverted if popcount(i) is
    # odd.

    _DELAYS = tuple(WORDS >> bit for bit in range(1, WORDS.bit_length()))
    _DISTANCES = tuple(1 << bit for bit in range(ELEMENTS.bit_length() - 1))
    latency = sum(delay + 1 for delay in _DELAYS) + len(_DISTANCES) + 1

    def __init__(self):
        super().__init__({
            "rotated": In(1), "index": In(range(WORDS)),
            "i": In(signed(Q_BITS)).array(ELEMENTS), "o": Out(signed(R_BITS)).array(ELEMENTS),
        })

    def elaborate(self, platform):
        m = Module()
        index, sums = self.index, list(self.i)
        for delay in self._DELAYS:
            if delay != self._DELAYS[0]:
                index, sums = _delayed(m, index, 1), [_delayed(m, each, 1) for each in sums]
            index, sums = self._between_words(m, index, sums, delay)
        for distance in self._DISTANCES:
            index, sums = self._inside_words(m, index, sums, distance)
        words = [_delayed(m, each, 1) for each in sums]
        index = _delayed(m, index, 1)
        for lane, (word, o) in enumerate(zip(words, self.o, strict=True)):
            inverted = self.rotated & (index.xor() ^ _odd(lane))
            m.d.sync += o.eq(word ^ inverted.replicate(len(word)).as_signed())
        return m

    def _between_words(self, m, index, words, delay):
        """Stage of elements in words ``delay`` apart: the index of its words, and their sums."""
        once = [_delayed(m, word, delay) for word in words]
        twice = [_delayed(m, word, delay) for word in once]
        index = _delayed(m, index, delay)
        second = (index & delay).any()
        carry = self.rotated & index[delay.bit_length():].xor()
        return index, [_sum(here, Mux(self.rotated, Mux(second, ~before, after), 0), carry)
                       for after, here, before in zip(words, once, twice, strict=True)]

    def _inside_words(self, m, index, sums, distance):
        """Stage of elements ``distance`` apart in a word, a register behind ``sums``."""
        # What is added to another lane's element is a copy whose register's set or reset input switches it off.
        index = _delayed(m, index, 1)
        own = [_delayed(m, each, 1) for each in sums]
        others = []
        for lane, each in enumerate(sums):
            off = 0 if lane & distance else -1
            others.append(Signal(each.shape(), init=off))
            m.d.sync += others[-1].eq(Mux(self.rotated, each, off))
        results = []
        for lane in range(ELEMENTS):
            other = others[lane ^ distance]
            carry = self.rotated & (index.xor() ^ _odd(lane & (distance - 1)))
            results.append(_difference(own[lane], other, ~carry) if lane & distance else
                           _sum(own[lane], other, carry))
        return index, results


def _odd(lane: int) -> int:
    return lane.bit_count() & 1


def _delayed(m, value, cycles):
    for _ in range(cycles):
        following = Signal(value.shape(), name="delayed", reset_less=True)
        m.d.sync += following.eq(value)
        value = following
    return value


def _sum(a, b, carry):
    """a + b + carry, one carry chain."""
    return (Cat(carry, a).as_signed() + Cat(carry, b).as_signed())[1:].as_signed()


def _difference(a, b, borrow):
    """a - b - borrow, one carry chain."""
    return (Cat(Const(0, 1), a).as_signed() - Cat(borrow, b).as_signed())[1:].as_signed()
