"""Activations to integers for coded chips: groups of 32, 64 or 128 elements, rotated or not."""

from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..arith.float32 import BIAS
from ..arith.pipeline import Pipeline
from ..block_memory import BlockMemory
from ..config import BLOCK, ELEMENTS
from ..isa import CONTEXT_BITS
from ..sram_port import SRAM_LATENCY, SramRead
from .converter import Converter
from .exponent import last_word
from .formats import EXPONENT, FRACTION, GROUP_TOTAL, MOST_BLOCKS, Q_BITS, R_BITS, TURN_EXPONENT
from .rotation import Rotation
from .rounding import SHIFT, Rounding

__all__ = ["GroupAligner"]

WORDS = BLOCK // ELEMENTS

AHEAD = 16
"""Blocks between SRAM and the one in use."""

Entry = data.StructLayout({"exponent": EXPONENT, "shift": SHIFT})
"""Of a group of one context: E' - 14 and s."""


class GroupAligner(wiring.Component):
    """Prepares up to sixteen blocks ahead, by whole groups, while one is in use.

    From ``start`` on it makes ``groups`` groups of each active context and delivers them block by block: groups
    ascending, ``terms`` + 1 times each; in each time its blocks ascending; every context of a block together.

    For n active contexts the first block is ready ``8 * 2^blocks * (n + 1) + 8 * n + latency`` cycles after ``start``,
    every further one ``8 * n + interval`` cycles after ``take``, rotated or not.

    Parameters
    ----------
    contexts: activation vectors it has room for.

    Members
    -------
    start: pulse, while no group is under way; the eight fields below must stay until the last block is taken.
    act, stride: word address of context 0's vector, and words from one context's vector to the next.
    groups: groups per vector, at least 1.
    blocks: log2 of the blocks of a group: 0, 1 or 2.
    rotated: transform the groups; ``blocks`` is at least 1.
    terms: times that each group is delivered, less one.
    contexts: active contexts less one.
    sram: read port.
    ready, take: the next block is complete; make it current (only while ``ready``).
    q: current block, 32 signed 16-bit integers a context, from the cycle after ``take``.
    exponent, total: E' - 14 and X of a group: valid from ``ready`` for its last block to eight cycles after the
        ``take`` of that block; with more than one block a group, to the ``take`` of the next group's last but one.
    nonfinite: pulse, a word held an infinity or a NaN.
    """

    interval = Rounding.latency + 4
    least = WORDS + interval
    """Fewest cycles from a block's ``take`` to the next one's."""
    latency = SRAM_LATENCY + Converter.latency + Rotation.latency + interval + 2

    def __init__(self, contexts: int):
        self._contexts = contexts
        self._entries = AHEAD << (contexts - 1).bit_length()
        super().__init__({
            "start": In(1), "act": In(16), "stride": In(16), "groups": In(16), "blocks": In(2), "rotated": In(1),
            "terms": In(3), "contexts": In(CONTEXT_BITS),
            "sram": Out(SramRead()),
            "ready": Out(1), "take": In(1), "q": Out(BLOCK * Q_BITS).array(contexts),
            "exponent": Out(EXPONENT).array(contexts), "total": Out(GROUP_TOTAL).array(contexts),
            "nonfinite": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.converter = converter = Converter()
        m.submodules.rotation = rotation = Rotation()
        m.submodules.buffer = buffer = BlockMemory(R_BITS * ELEMENTS, WORDS * self._entries)
        m.submodules.entries = entries = BlockMemory(Entry.size, self._entries)

        stored, freed = Signal(), Signal()
        m.d.comb += [converter.i_valid.eq(self._read(m, freed)), converter.i.eq(self.sram.data),
                     converter.blocks.eq(self.blocks), self.nonfinite.eq(converter.nonfinite),
                     rotation.rotated.eq(self.rotated), rotation.index.eq(converter.word[:len(rotation.index)]),
                     *(i.eq(o) for i, o in zip(rotation.i, converter.o, strict=True))]
        self._store(m, converter, rotation, buffer.write, entries.write, stored)
        self._deliver(m, buffer.read[0], entries.read[0], stored, freed)
        return m

    def _read(self, m, freed):
        """Addresses of the groups, while there is room for one more; returns when their data is there."""
        left, free = Signal(16), Signal(range(AHEAD + 1))
        word, context = Signal(range(MOST_BLOCKS * WORDS)), Signal(range(self._contexts))
        reading = Signal()
        last = reading & last_word(word, self.blocks)
        begin = (left != 0) & (free != 0) & ~reading
        with m.If(begin):
            m.d.sync += [left.eq(left - 1), reading.eq(1), word.eq(0), context.eq(0)]
        with m.Elif(reading):
            m.d.sync += word.eq(Mux(last, 0, word + 1))
            with m.If(last):
                m.d.sync += [context.eq(context + 1), reading.eq(context != self.contexts)]
        _count(m, free, begin, freed)
        if self._contexts == 1:  # one vector: its groups lie one after the other
            with m.If(reading):
                m.d.sync += self.sram.addr.eq(self.sram.addr + 1)
            with m.If(self.start):
                m.d.sync += self.sram.addr.eq(self.act)
        else:
            base, following = Signal(16), Signal(16)
            size = Cat(self.blocks == k for k in range(3)) << (WORDS - 1).bit_length()
            with m.If(begin):
                m.d.sync += [base.eq(base + size), self.sram.addr.eq(base), following.eq(base + self.stride)]
            with m.Elif(last):
                m.d.sync += [self.sram.addr.eq(following), following.eq(following + self.stride)]
            with m.Elif(reading):
                m.d.sync += self.sram.addr.eq(self.sram.addr + 1)
            with m.If(self.start):
                m.d.sync += base.eq(self.act)
        with m.If(self.start):
            m.d.sync += [left.eq(self.groups), free.eq(Const(AHEAD) >> self.blocks)]
        arrived = Signal(SRAM_LATENCY)
        m.d.sync += arrived.eq(Cat(reading, arrived))
        return arrived[-1]

    def _store(self, m, converter, rotation, words, entries, stored):
        """Words into the buffer, and what holds for the whole group of a context; ``stored``: a group is complete."""
        pipe = Pipeline(m, converter.o_valid)
        s = converter
        for _ in range(Rotation.latency):
            s = pipe.stage(last=s.last, exponent=s.exponent)
        word, block, context = Signal(range(WORDS)), Signal(range(AHEAD)), Signal(range(self._contexts))
        group = s.last & (context == self.contexts)
        m.d.comb += [words.en.eq(pipe.valid), words.addr.eq(Cat(word, block, context)),
                     words.data.eq(Cat(rotation.o))]
        with m.If(pipe.valid):
            m.d.sync += word.eq(word + 1)
            with m.If(word == WORDS - 1):
                self._advance(m, block, group)
            with m.If(s.last):
                m.d.sync += context.eq(Mux(group, 0, context + 1))
        with m.If(self.start):
            m.d.sync += block.eq(0)

        # Bits above the lowest sixteen that say more than the sign.
        large = reduce(or_, (r[Q_BITS - 1:-1] ^ r[-1].replicate(R_BITS - Q_BITS) for r in rotation.o))
        s = pipe.stage(large=large, last=s.last, group=group, at=Cat(block, context),
                       exponent=s.exponent - Mux(self.rotated, BIAS + FRACTION + TURN_EXPONENT, BIAS + FRACTION))
        so_far, fresh = Signal(R_BITS - Q_BITS), Signal(init=1)
        seen = so_far & ~fresh.replicate(len(so_far)) | s.large
        with m.If(pipe.valid):
            m.d.sync += [so_far.eq(seen), fresh.eq(s.last)]

        pipe = Pipeline(m, pipe.valid & s.last)
        shift = 0
        for bit in range(R_BITS - Q_BITS):
            shift = Mux(seen[bit], bit + 1, shift)
        s = pipe.stage(shift=shift, group=s.group, at=s.at, exponent=s.exponent)
        entry = data.View(Entry, entries.data)
        m.d.comb += [entries.en.eq(pipe.valid), entries.addr.eq(s.at), entry.shift.eq(s.shift),
                     entry.exponent.eq(s.exponent + s.shift), stored.eq(pipe.valid & s.group)]

    def _deliver(self, m, words, entries, stored, freed):
        """Complete groups, block by block, out of the buffer into ``q``."""
        waiting = Signal(range(AHEAD + 1))
        busy, more = Signal(), Signal()
        word, block, context = Signal(range(WORDS)), Signal(range(AHEAD)), Signal(range(self._contexts))
        term = Signal.like(self.terms)
        begin = (waiting != 0) & ~busy & ~self.ready
        active = begin | more
        last_word, last_context, last_term = word == WORDS - 1, context == self.contexts, term == self.terms
        first_block, last_block = ~(block[:2] & self._others).any(), (block[:2] | ~self._others).all()
        # Room for a group is given back before its last block is read: that never stops, and whatever is read from
        # SRAM now arrives behind it.
        m.d.comb += freed.eq(begin & last_block & last_term)
        _count(m, waiting, freed, stored)
        with m.If(begin):
            m.d.sync += busy.eq(1)
        with m.If(active):
            m.d.sync += [word.eq(word + 1), more.eq(~(last_word & last_context))]
            with m.If(last_word):
                m.d.sync += context.eq(Mux(last_context, 0, context + 1))
                with m.If(last_context):
                    self._advance(m, block, last_block & last_term)
                    with m.If(last_block):
                        m.d.sync += term.eq(Mux(last_term, 0, term + 1))
        with m.If(self.start):
            m.d.sync += block.eq(0)
        m.d.comb += [words.en.eq(active), words.addr.eq(Cat(word, block, context)),
                     entries.en.eq(active), entries.addr.eq(Cat(block[:2] | self._others, block[2:], context))]

        pipe = Pipeline(m, active)
        s = pipe.stage(first=first_block & (word == 0), last=last_word, group=last_word & last_block, context=context)
        entry = data.View(Entry, entries.data)
        m.submodules.rounding = rounding = Rounding()
        m.d.comb += [rounding.i_valid.eq(pipe.valid), rounding.shift.eq(entry.shift), Cat(rounding.i).eq(words.data)]
        for c, exponent in enumerate(self.exponent):
            with m.If(pipe.valid & s.group & (s.context == c)):
                m.d.sync += exponent.eq(entry.exponent)
        for _ in range(Rounding.latency):
            s = pipe.stage(first=s.first, last=s.last, group=s.group, context=s.context)

        for c in range(self._contexts):
            following = Signal(BLOCK * Q_BITS, name=f"following{c}")
            with m.If(pipe.valid & (s.context == c)):
                m.d.sync += following.eq(Cat(following[ELEMENTS * Q_BITS:], rounding.o))
            with m.If(self.take & (self.contexts >= c)):
                m.d.sync += self.q[c].eq(following)

        q = rounding.o
        s = pipe.stage(low=q[0] + q[1], high=q[2] + q[3], first=s.first, last=s.last, group=s.group, context=s.context)
        s = pipe.stage(four=s.low + s.high, first=s.first, last=s.last, group=s.group, context=s.context)
        m.submodules.sums = sums = memory.Memory(shape=GROUP_TOTAL, depth=self._contexts, init=[])
        running, update = sums.read_port(domain="comb"), sums.write_port()
        total = Signal(GROUP_TOTAL)
        m.d.comb += [running.addr.eq(s.context), total.eq(Mux(s.first, 0, running.data) + s.four),
                     update.en.eq(pipe.valid), update.addr.eq(s.context), update.data.eq(total)]
        for c in range(self._contexts):
            with m.If(pipe.valid & s.group & (s.context == c)):
                m.d.sync += self.total[c].eq(total)
        with m.If(pipe.valid & s.last & (s.context == self.contexts)):
            m.d.sync += [self.ready.eq(1), busy.eq(0)]
        with m.Elif(self.start | self.take):
            m.d.sync += self.ready.eq(0)

    @property
    def _others(self):
        """Which of a block number's two lowest bits tell blocks of one group apart."""
        return Cat(self.blocks != 0, self.blocks[1])

    def _advance(self, m, block, group):
        """The block after ``block``: of the next group if ``group``, else of the same one, the first after the last."""
        following = (block + 1)[:len(block)]
        circle = Cat(Mux(other, after, now)
                     for other, after, now in zip(self._others, following[:2], block[:2], strict=True))
        m.d.sync += block.eq(Mux(group, following, Cat(circle, block[2:])))


def _count(m, counter, down, up):
    with m.If(down & ~up):
        m.d.sync += counter.eq(counter - 1)
    with m.Elif(up & ~down):
        m.d.sync += counter.eq(counter + 1)
