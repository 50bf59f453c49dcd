"""Largest exponent of a block or group of activations."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS, Float32, is_nan
from ..arith.pipeline import Pipeline
from ..config import BLOCK, ELEMENTS, WORD_BITS
from .formats import E_MAX, E_MIN, MOST_BLOCKS

__all__ = ["BlockExponent", "last_word"]

WORDS = BLOCK // ELEMENTS


def last_word(word, blocks) -> Value:
    """Whether ``word``, of range(32), is the last one of a group of 2^blocks blocks."""
    return Cat(word[:3], word[3] | (blocks == 0), word[4] | ~blocks[1]).all()


class BlockExponent(wiring.Component):
    """E of each block of eight words, or of each group, ``latency`` cycles after the last of them.

    Parameters
    ----------
    grouped: there is ``blocks``; otherwise a group is a block.

    Members
    -------
    blocks: if grouped: log2 of the blocks of a group, 0 to 2; stable from a group's first word to its last.
    i_valid: i is the group's next word; pauses are allowed.
    i: four FP32 elements.
    o_valid: pulse, one per group.
    o: E + 127; keeps its value until the next group's pulse.
    nonfinite: pulse, a word held an infinity or a NaN.
    """

    latency = 5

    def __init__(self, grouped: bool = False):
        self._grouped = grouped
        super().__init__({
            **({"blocks": In(2)} if grouped else {}),
            "i_valid": In(1), "i": In(WORD_BITS), "o_valid": Out(1), "o": Out(8), "nonfinite": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        word = Signal(range(WORDS * MOST_BLOCKS if self._grouped else WORDS))
        last = last_word(word, self.blocks) if self._grouped else word == WORDS - 1
        with m.If(self.i_valid):
            m.d.sync += word.eq(Mux(last, 0, word + 1) if self._grouped else word + 1)

        pipe = Pipeline(m, self.i_valid)
        elements = [Float32(bits) for bits in data.View(data.ArrayLayout(32, ELEMENTS), self.i)]
        s = pipe.stage(last=last, nonfinite=Cat(x.exponent.all() for x in elements).any(),
                       **{f"e{i}": Mux(is_nan(x), 0, x.exponent) for i, x in enumerate(elements)})
        m.d.comb += self.nonfinite.eq(pipe.valid & s.nonfinite)
        s = pipe.stage(last=s.last, e0=Mux(s.e0 > s.e1, s.e0, s.e1), e1=Mux(s.e2 > s.e3, s.e2, s.e3))
        s = pipe.stage(last=s.last, e=Mux(s.e0 > s.e1, s.e0, s.e1))

        # The running maximum starts at the smallest E, so elements that count as zero never show.
        running, complete = Signal(8, init=BIAS + E_MIN), Signal()
        so_far = Mux(complete, BIAS + E_MIN, running)
        m.d.sync += [complete.eq(pipe.valid & s.last), self.o_valid.eq(complete)]
        with m.If(pipe.valid):
            m.d.sync += running.eq(Mux(s.e > so_far, s.e, so_far))
        with m.Elif(complete):
            m.d.sync += running.eq(so_far)
        with m.If(complete):
            m.d.sync += self.o.eq(Mux(running > BIAS + E_MAX, BIAS + E_MAX, running))
        return m
