"""Activations to integers: blocks of 32 FP32 elements that share one exponent."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS
from ..arith.pipeline import Pipeline
from ..config import BLOCK, ELEMENTS
from ..isa import CONTEXT_BITS
from ..sram_port import SRAM_LATENCY, SramRead
from .element import Element, ElementAligner
from .exponent import BlockExponent
from .formats import EXPONENT, FRACTION, Q_BITS, TOTAL

__all__ = ["Aligner"]

WORDS = BLOCK // ELEMENTS


class Aligner(wiring.Component):
    """Prepares a block per context while the previous one is in use.

    From ``start`` on it makes ``groups`` blocks of each active context, one group at a time. The first group is ready
    ``8 * contexts + latency`` cycles after ``start``, the following one as long after ``take``.

    Parameters
    ----------
    contexts: activation vectors it has room for.

    Members
    -------
    start: pulse, while no group is under way; the four fields below must stay until the last group is taken.
    act, stride: word address of context 0's vector, and words from one context's vector to the next.
    groups: blocks per vector, at least 1.
    contexts: active contexts less one.
    sram: read port.
    ready, take: the next group is complete; make it current (only while ``ready``).
    exponent, total: E - 14 and X of the next group, while ``ready``.
    q: current group, 32 signed 16-bit integers a context, from the cycle after ``take``.
    nonfinite: pulse, a word held an infinity or a NaN.
    """

    latency = SRAM_LATENCY + 1 + BlockExponent.latency + WORDS + ElementAligner.latency + 3

    def __init__(self, contexts: int):
        self._contexts = contexts
        super().__init__({
            "start": In(1), "act": In(16), "stride": In(16), "groups": In(16), "contexts": In(CONTEXT_BITS),
            "sram": Out(SramRead()),
            "ready": Out(1), "take": In(1),
            "exponent": Out(EXPONENT).array(contexts), "total": Out(TOTAL).array(contexts),
            "q": Out(BLOCK * Q_BITS).array(contexts),
            "nonfinite": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        arrived = self._read(m)

        m.submodules.block_exponent = block_exponent = BlockExponent()
        m.d.comb += [block_exponent.i_valid.eq(arrived), block_exponent.i.eq(self.sram.data),
                     self.nonfinite.eq(block_exponent.nonfinite)]

        # Elements wait for their exponent in a buffer of two blocks. A block's second pass starts a fixed time after
        # its last word arrived and takes as long as the next one's arrival: the passes never meet.
        m.submodules.buffer = buffer = memory.Memory(
            shape=data.ArrayLayout(Element, ELEMENTS), depth=2 * WORDS, init=[], attrs={"ram_style": "block"})
        write, read = buffer.write_port(), buffer.read_port()
        words = [self.sram.data.word_select(i, 32) for i in range(ELEMENTS)]
        m.d.comb += [write.en.eq(arrived), *(write.data[i].eq(ElementAligner.classified(word))
                                             for i, word in enumerate(words))]
        with m.If(arrived):
            m.d.sync += write.addr.eq(write.addr + 1)

        converting = Signal()
        context = Signal(range(self._contexts))
        active = block_exponent.o_valid | converting
        word = read.addr[:WORDS.bit_length() - 1]
        last = word == WORDS - 1
        with m.If(active):
            m.d.sync += [converting.eq(~last), read.addr.eq(read.addr + 1)]
            with m.If(last):
                m.d.sync += context.eq(Mux(context == self.contexts, 0, context + 1))
        for c, exponent in enumerate(self.exponent):
            with m.If(block_exponent.o_valid & (context == c)):
                m.d.sync += exponent.eq(block_exponent.o - (BIAS + FRACTION))

        m.d.comb += read.en.eq(active)
        pipe = Pipeline(m, active)
        s = pipe.stage(exponent=block_exponent.o, first=word == 0, last=last, context=context)
        elements = [ElementAligner() for _ in range(ELEMENTS)]
        for i, element in enumerate(elements):
            m.submodules[f"element{i}"] = element
            m.d.comb += [element.i_valid.eq(pipe.valid), element.x.eq(read.data[i]),
                         element.exponent.eq(s.exponent)]
        for _ in range(ElementAligner.latency):
            s = pipe.stage(first=s.first, last=s.last, context=s.context)
        self._deliver(m, pipe, s, [element.o for element in elements])
        return m

    def _read(self, m):
        """Addresses of a group, eight words a context in consecutive cycles; returns when their data is there."""
        left, word, context = Signal(16), Signal(range(WORDS)), Signal(range(self._contexts))
        begin, reading = Signal(), Signal()
        arrived = Signal(SRAM_LATENCY)
        m.d.sync += [begin.eq(self.start | self.take), arrived.eq(Cat(reading, arrived))]
        again = begin & (left != 0)
        last_word = reading & (word == WORDS - 1)
        with m.If(self.start):
            m.d.sync += left.eq(self.groups)
        with m.If(again):
            m.d.sync += [left.eq(left - 1), reading.eq(1), word.eq(0), context.eq(0)]
        with m.Elif(reading):
            m.d.sync += [word.eq(word + 1), self.sram.addr.eq(self.sram.addr + 1)]
            with m.If(last_word):
                m.d.sync += [context.eq(context + 1), reading.eq(context != self.contexts)]
        if self._contexts == 1:  # one vector: its groups lie one after the other
            with m.If(self.start):
                m.d.sync += self.sram.addr.eq(self.act)
        else:
            base, following = Signal(16), Signal(16)
            with m.If(self.start):
                m.d.sync += base.eq(self.act)
            with m.If(again):
                m.d.sync += [base.eq(base + WORDS), self.sram.addr.eq(base), following.eq(base + self.stride)]
            with m.Elif(last_word):
                m.d.sync += [self.sram.addr.eq(following), following.eq(following + self.stride)]
        return arrived[-1]

    def _deliver(self, m, pipe, s, q):
        """Collect a context's 32 integers and their sum; the last context's sum completes the group."""
        for c in range(self._contexts):
            following = Signal(BLOCK * Q_BITS, name=f"following{c}")
            with m.If(pipe.valid & (s.context == c)):
                m.d.sync += following.eq(Cat(following[ELEMENTS * Q_BITS:], *q))
            with m.If(self.take & (self.contexts >= c)):
                m.d.sync += self.q[c].eq(following)

        s = pipe.stage(low=q[0] + q[1], high=q[2] + q[3], first=s.first, last=s.last, context=s.context)
        s = pipe.stage(four=s.low + s.high, first=s.first, last=s.last, context=s.context)
        running = Signal(TOTAL)
        total = Signal(TOTAL)
        m.d.comb += total.eq(Mux(s.first, 0, running) + s.four)
        with m.If(pipe.valid):
            m.d.sync += running.eq(total)
            for c in range(self._contexts):
                with m.If(s.last & (s.context == c)):
                    m.d.sync += self.total[c].eq(total)
        with m.If(pipe.valid & s.last & (s.context == self.contexts)):
            m.d.sync += self.ready.eq(1)
        with m.Elif(self.start | self.take):
            m.d.sync += self.ready.eq(0)
