"""Largest exponent of a block of activations."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS, Float32, is_nan
from ..arith.pipeline import Pipeline
from ..config import BLOCK, ELEMENTS, WORD_BITS
from .formats import E_MAX, E_MIN

__all__ = ["BlockExponent"]

WORDS = BLOCK // ELEMENTS


class BlockExponent(wiring.Component):
    """E of each block of eight words, ``latency`` cycles after the last of them.

    Members
    -------
    i_valid: i is the block's next word; pauses are allowed.
    i: four FP32 elements.
    o_valid: pulse, one per block.
    o: E + 127; keeps its value until the next block's pulse.
    nonfinite: pulse, a word held an infinity or a NaN.
    """

    i_valid: In(1)
    i: In(WORD_BITS)
    o_valid: Out(1)
    o: Out(8)
    nonfinite: Out(1)

    latency = 5

    def elaborate(self, platform):
        m = Module()
        word = Signal(range(WORDS))
        with m.If(self.i_valid):
            m.d.sync += word.eq(word + 1)

        pipe = Pipeline(m, self.i_valid)
        elements = [Float32(bits) for bits in data.View(data.ArrayLayout(32, ELEMENTS), self.i)]
        s = pipe.stage(last=word == WORDS - 1, nonfinite=Cat(x.exponent.all() for x in elements).any(),
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
