"""Groups of FP32 activations to integers that share an exponent."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..config import BLOCK, ELEMENTS, WORD_BITS
from .element import Element, ElementAligner
from .exponent import BlockExponent, last_word
from .formats import MOST_BLOCKS, Q_BITS

__all__ = ["Converter"]

WORDS = MOST_BLOCKS * BLOCK // ELEMENTS
"""Words of the largest group."""


class Converter(wiring.Component):
    """Two passes over each group: its exponent, then its integers, in consecutive cycles, four in each.

    The first word of integers leaves ``latency`` cycles after the group's last word came. A group's second pass takes
    no longer than the next one's first: nothing ever has to wait.

    Members
    -------
    blocks: log2 of the blocks of a group, 0 to 2; stable while a group is inside.
    i_valid: i is the group's next word; pauses are allowed.
    i: four FP32 elements.
    o_valid: o is the group's next word.
    o: four q.
    word, last: its number in the group; it is the last one.
    exponent: E + 127 of the group.
    nonfinite: pulse, a word held an infinity or a NaN.
    """

    latency = BlockExponent.latency + 2 + ElementAligner.latency

    def __init__(self):
        super().__init__({
            "blocks": In(2), "i_valid": In(1), "i": In(WORD_BITS),
            "o_valid": Out(1), "o": Out(signed(Q_BITS)).array(ELEMENTS), "word": Out(range(WORDS)), "last": Out(1),
            "exponent": Out(8), "nonfinite": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.exponent = exponent = BlockExponent(grouped=True)
        m.d.comb += [exponent.blocks.eq(self.blocks), exponent.i_valid.eq(self.i_valid), exponent.i.eq(self.i),
                     self.nonfinite.eq(exponent.nonfinite)]

        # Between the passes lie two groups at most: one that arrives, one that leaves.
        layout = data.ArrayLayout(Element, ELEMENTS)
        m.submodules.buffer = buffer = BlockMemory(layout.size, 2 * WORDS)
        write, (read,) = buffer.write, buffer.read
        words = data.View(layout, write.data)
        m.d.comb += [write.en.eq(self.i_valid),
                     *(words[i].eq(ElementAligner.classified(self.i.word_select(i, 32))) for i in range(ELEMENTS))]
        write_at, read_at = Signal(range(2 * WORDS)), Signal(range(2 * WORDS))
        m.d.comb += [write.addr.eq(write_at), read.addr.eq(read_at)]
        with m.If(self.i_valid):
            m.d.sync += write_at.eq(write_at + 1)

        word, more = Signal(range(WORDS)), Signal()
        active = exponent.o_valid | more
        last = last_word(word, self.blocks)
        m.d.comb += read.en.eq(active)
        with m.If(active):
            m.d.sync += [more.eq(~last), read_at.eq(read_at + 1), word.eq(Mux(last, 0, word + 1))]

        pipe = Pipeline(m, active)
        s = pipe.stage(word=word, last=last, exponent=exponent.o)
        s = pipe.stage(word=s.word, last=s.last, exponent=s.exponent, elements=read.data)
        elements = data.View(layout, s.elements)
        for i in range(ELEMENTS):
            m.submodules[f"element{i}"] = element = ElementAligner()
            m.d.comb += [element.i_valid.eq(pipe.valid), element.x.eq(elements[i]), element.exponent.eq(s.exponent),
                         self.o[i].eq(element.o)]
        for _ in range(ElementAligner.latency):
            s = pipe.stage(word=s.word, last=s.last, exponent=s.exponent)
        m.d.comb += [self.o_valid.eq(pipe.valid), self.word.eq(s.word), self.last.eq(s.last),
                     self.exponent.eq(s.exponent)]
        return m
