"""The candidate lists of contexts whose turn it is not."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..block_memory import BlockMemory
from ..isa import CONTEXT_BITS
from ..sram_port import SRAM_LATENCY

__all__ = ["Candidate", "KeptLists"]

Candidate = data.StructLayout({"value": 32, "id": 32})
"""An FP32 value and its token id; id 0xFFFFFFFF marks an empty place, whose value is a NaN."""


class KeptLists(wiring.Component):
    """Lists of ``k`` candidates, one a context: brings one back, and puts it away when it is settled.

    Parameters
    ----------
    k, contexts: places of a list; lists.

    Members
    -------
    begin: pulse, while neither `recalling` nor `keeping`: the list of `context` is the one in use from now on.
    recall: with ``begin``: bring it back first, from the next cycle on.
    recalling: a place is read, best first; recalled: it is at `candidate`, `SRAM_LATENCY` cycles later.
    settled: the list in use is final, if not `recalling`; looked at from the cycle after ``begin`` on.
    place, listed: of the list in use, while it is put away; two cycles later what it has there.
    keeping: from ``begin`` until all of the list is put away.
    read_context, select, candidate: a place of some list, and its content `SRAM_LATENCY` cycles later; while idle.
    """

    def __init__(self, k: int, contexts: int):
        self._k = k
        self._memory = BlockMemory(Candidate.size, contexts << (k - 1).bit_length())
        super().__init__({
            "begin": In(1), "recall": In(1), "context": In(CONTEXT_BITS), "recalling": Out(1), "recalled": Out(1),
            "settled": In(1), "place": Out(range(k)), "listed": In(Candidate), "keeping": Out(1),
            "read_context": In(CONTEXT_BITS), "select": In(range(k)), "candidate": Out(Candidate),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = self._memory
        context, written = Signal(CONTEXT_BITS), Signal(range(self._k))
        unkept, giving = Signal(), Signal()
        write = Signal(2)    # a place's content is there
        last, coming = self.place == self._k - 1, Signal(SRAM_LATENCY)
        read = words.read[0]
        m.d.comb += [
            read.en.eq(1),
            read.addr.eq(Mux(self.recalling, Cat(self.place, context), Cat(self.select, self.read_context))),
            words.write.addr.eq(Cat(written, context)), words.write.data.eq(self.listed),
            words.write.en.eq(write[-1]), self.recalled.eq(coming[-1]),
            self.keeping.eq(unkept | giving | write.any()),
        ]
        # The memory's own register and this one make a read as long as SRAM's.
        m.d.sync += [self.candidate.eq(read.data), coming.eq(Cat(self.recalling, coming)),
                     write.eq(Cat(giving, write)), written.eq(written + write[-1])]
        with m.If(self.recalling | giving):
            m.d.sync += self.place.eq(self.place + 1)
            with m.If(last):
                m.d.sync += [self.place.eq(0), self.recalling.eq(0), giving.eq(0)]
        with m.Elif(unkept & self.settled):
            m.d.sync += [unkept.eq(0), giving.eq(1)]
        with m.If(self.begin):
            m.d.sync += [unkept.eq(1), context.eq(self.context), self.recalling.eq(self.recall), written.eq(0)]
        return m
