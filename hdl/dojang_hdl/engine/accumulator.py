"""FP32 accumulators of all rows and contexts, and the way of the finished sums to SRAM."""

from amaranth.hdl import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..arith.add import FloatAdd
from ..arith.pipeline import Pipeline
from ..config import ELEMENTS, WORD_BITS
from ..isa import CONTEXT_BITS
from ..sram_port import SramWrite

__all__ = ["Accumulator"]

READ_LATENCY = 2
"""The memory's own register and the output register behind it."""


class Accumulator(wiring.Component):
    """y[r] <- fl(y[r] + t), rows in ascending order, ``groups`` times; the last group's y go to SRAM, four a word.

    All active contexts get their t of a row in the same cycle. A row must not come again within ``turnaround`` cycles,
    and four rows of the last group must take at least as many cycles as there are contexts.

    Parameters
    ----------
    contexts: vectors it has room for.
    acc_rows: rows it has room for, a power of two.

    Members
    -------
    start: pulse while idle; the five fields below must stay until ``done``.
    rows, groups: shape; rows is a multiple of 4.
    contexts: active contexts less one.
    out, stride: word address of context 0's results, and words from one context's to the next.
    i_valid, t: the next row of all active contexts, FP32 bit patterns.
    write: results, a word of one context per cycle.
    done: pulse with the last write.
    """

    turnaround = READ_LATENCY + FloatAdd.latency + 1
    latency = READ_LATENCY + FloatAdd.latency + 1
    """From the last row of a word to the write of context 0's word; each further context takes a cycle more."""

    def __init__(self, contexts: int, acc_rows: int, spare_domain: str = "sync"):
        self._contexts, self._depth, self._spare_domain = contexts, acc_rows, spare_domain
        super().__init__({
            "start": In(1), "rows": In(16), "groups": In(16), "contexts": In(CONTEXT_BITS),
            "out": In(16), "stride": In(16), "i_valid": In(1), "t": In(32).array(contexts),
            "write": Out(SramWrite()), "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        last_row = Signal(range(self._depth))
        with m.If(self.start):
            m.d.sync += last_row.eq(self.rows - 1)
        row, _ = self._rows(m, self.i_valid, last_row, "read")
        fresh = Signal()
        with m.If(self.start):
            m.d.sync += fresh.eq(1)
        with m.Elif(self.i_valid & (row == last_row)):
            m.d.sync += fresh.eq(0)

        sums = []
        for c in range(self._contexts):
            active = self.i_valid & (self.contexts >= c)
            m.submodules[f"memory{c}"] = ram = memory.Memory(shape=32, depth=self._depth, init=[])
            write, read = ram.write_port(), ram.read_port()
            add = FloatAdd()
            m.submodules[f"add{c}"] = DomainRenamer(self._spare_domain if c else "sync")(add)
            m.d.comb += [read.addr.eq(row), read.en.eq(active)]
            pipe = Pipeline(m, active)
            s = pipe.stage(t=self.t[c], fresh=fresh)
            s = pipe.stage(t=s.t, y=Mux(s.fresh, 0, read.data))
            assert pipe.stages == READ_LATENCY
            m.d.comb += [add.i_valid.eq(pipe.valid), add.a.eq(s.y), add.b.eq(s.t)]
            m.d.comb += [write.en.eq(add.o_valid), write.data.eq(add.o)]
            sums.append((add, write))

        summed = sums[0][0].o_valid
        row, group = self._rows(m, summed, last_row, "write")
        for _, write in sums:
            m.d.comb += write.addr.eq(row)
        self._send(m, summed, row, row == last_row, group, [add for add, _ in sums])
        return m

    def _rows(self, m, advance, last_row, name):
        """Row and remaining groups of the sums that pass a point of the pipeline."""
        row = Signal(range(self._depth), name=f"{name}_row")
        group = Signal(16, name=f"{name}_group")
        with m.If(self.start):
            m.d.sync += [row.eq(0), group.eq(self.groups)]
        with m.Elif(advance):
            m.d.sync += row.eq(row + 1)
            with m.If(row == last_row):
                m.d.sync += [row.eq(0), group.eq(group - 1)]
        return row, group

    def _send(self, m, summed, row, last, group, adders):
        """Words of all contexts are complete at once and leave one per cycle, through a shift register."""
        complete = summed & (group == 1) & row[:ELEMENTS.bit_length() - 1].all()
        words = [Signal(WORD_BITS, name=f"word{c}") for c in range(self._contexts)]
        base, left = Signal(16), Signal(range(self._contexts + 1))
        final = Signal()
        for c, (word, add) in enumerate(zip(words, adders, strict=True)):
            collected = Signal(WORD_BITS - 32, name=f"collected{c}")
            with m.If(add.o_valid):
                m.d.sync += collected.eq(Cat(collected[32:], add.o))
            with m.If(complete & (self.contexts >= c)):
                m.d.sync += word.eq(Cat(collected, add.o))
            if c + 1 < self._contexts:
                with m.Elif(left > 1):
                    m.d.sync += word.eq(words[c + 1])

        with m.If(self.start):
            m.d.sync += base.eq(self.out)
        with m.If(complete):
            m.d.sync += [self.write.addr.eq(base), base.eq(base + 1), left.eq(self.contexts + 1),
                         final.eq(last)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
            if self._contexts > 1:
                m.d.sync += self.write.addr.eq(self.write.addr + self.stride)
        m.d.comb += [self.write.en.eq(left != 0), self.write.data.eq(words[0]), self.write.mask.eq(~0),
                     self.done.eq(final & (left == 1))]
