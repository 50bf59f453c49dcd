"""The node's lists of its most likely tokens, kept while logits pass by."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS
from ..isa import CONTEXT_BITS
from ..sram_port import SRAM_LATENCY, SramRead
from .kept_lists import Candidate, KeptLists

__all__ = ["Candidates", "CandidatesCommand"]

CandidatesCommand = data.StructLayout({"a": 16, "n": 16, "index": 32, "reset": 1, "context": CONTEXT_BITS})


class Candidates(wiring.Component):
    """For each context, the ``k`` largest of all elements offered since its last reset, in descending order.

    Sorted keys stand side by side: an element is compared with all of them at once and pushes those that it beats
    one place down, so one element enters per cycle. Values and ids stay in a small memory, in the slot that the
    last key pushed out leaves. Of equal values the one offered first stays in front. NaN is never listed. -0 ranks
    below +0.

    A command offers ``n`` elements from SRAM word ``a``, with ids counting up from ``index``; ``reset`` empties the
    context's list first. ``n`` = 0 does nothing at all. It takes n + `cycles` cycles, without ``reset`` `recall` more;
    commands are accepted only when idle, and kept.

    Several contexts share the keys. Their lists are in a memory: a command offers what is there, unless ``reset``,
    then its elements, and puts the list back. A list is undefined until it has been reset.

    Members
    -------
    command: In stream of `CandidatesCommand`.
    sram: read port.
    busy: high from acceptance until the list is final.
    context, select, candidate: a context, place 0 (best) to k - 1 of its list, and the content two cycles later; all
        ones where it is empty.
    """

    def __init__(self, k: int, contexts: int = 1):
        self.k, self._several = k, contexts > 1
        self.cycles, self.recall = (SRAM_LATENCY + k + 5, k) if self._several else (SRAM_LATENCY + 2, 0)
        self._kept = KeptLists(k, contexts) if self._several else None
        super().__init__({
            "command": In(stream.Signature(CandidatesCommand)),
            "sram": Out(SramRead()),
            "busy": Out(1),
            "context": In(CONTEXT_BITS), "select": In(range(k)),
            "candidate": Out(Candidate),
        })

    def elaborate(self, platform):
        m = Module()
        command = self.command.payload
        accept, running = Signal(), Signal()
        left, lane = Signal(16), Signal(range(ELEMENTS))
        # Kept entries are offered; they were, in the stage of `offered`; the list is put back.
        recalling, recalled, keeping = Signal(), Signal(), Signal()
        reading = Signal(SRAM_LATENCY)
        lanes = [Signal.like(lane, name=f"lane{i}") for i in range(SRAM_LATENCY)]
        element, index = Signal(Candidate), Signal(32)
        offered, is_nan = Signal(), Signal()
        entering = Signal()
        # A word is read until its last element is on its way, so nothing has to keep it.
        m.d.comb += [
            running.eq((left != 0) & ~recalling), offered.eq(reading[-1]),
            self.busy.eq(running | recalling | reading.any() | entering | keeping),
            self.command.ready.eq(~self.busy), accept.eq(self.command.valid & ~self.busy),
            element.value.eq(self.sram.data.word_select(lanes[-1], 32)), element.id.eq(index),
            is_nan.eq(element.value[23:31].all() & element.value[:23].any()),
        ]
        m.d.sync += [reading.eq(Cat(running | recalling, reading)), index.eq(index + (offered & ~recalled)),
                     *(after.eq(before) for before, after in pairwise([lane, *lanes]))]
        with m.If(accept):
            m.d.sync += [left.eq(command.n), self.sram.addr.eq(command.a), lane.eq(0), index.eq(command.index)]
        with m.Elif(running):
            m.d.sync += [left.eq(left - 1), lane.eq(lane + 1), self.sram.addr.eq(self.sram.addr + lane.all())]

        entry = Signal(Candidate)
        m.d.sync += [entry.eq(element), entering.eq(offered & ~is_nan)]
        # Many flip-flops hang on it, hence the register; the first element is two cycles away at least.
        empty, begins = Signal(), Signal()
        m.d.comb += begins.eq(accept & (command.n != 0))
        m.d.sync += empty.eq(begins if self._several else begins & command.reset)
        place, listed = self._list(m, entry, entering, empty)
        if self._kept is None:
            m.d.comb += [place.eq(self.select), self.candidate.eq(listed)]
        else:
            m.submodules.kept = kept = self._kept
            m.d.comb += [
                kept.begin.eq(begins), kept.recall.eq(~command.reset), kept.context.eq(command.context),
                kept.settled.eq(~(running | reading.any() | entering)), kept.listed.eq(listed), place.eq(kept.place),
                recalling.eq(kept.recalling), recalled.eq(kept.recalled), keeping.eq(kept.keeping),
                kept.read_context.eq(self.context), kept.select.eq(self.select), self.candidate.eq(kept.candidate),
            ]
            with m.If(recalled):
                m.d.comb += element.eq(kept.candidate)
        return m

    def _list(self, m, entry, entering, empty):
        """Keys and slots by place; ``entry`` takes its place when ``entering``, at once.

        Returns a place to be set, and what is there, two cycles later.
        """
        m.submodules.entries = entries = memory.Memory(shape=Candidate, depth=self.k, init=[])
        write, read = entries.write_port(), entries.read_port(domain="comb")
        # Sign and magnitude to unsigned order. Only a NaN has key 0, so whatever enters beats an empty place.
        value = entry.value
        key = Signal(32)
        m.d.comb += key.eq(Cat(value[:31] ^ value[31].replicate(31), ~value[31]))
        keys = [Signal(32, name=f"key{place}") for place in range(self.k)]
        slots = [Signal(range(self.k), init=place, name=f"slot{place}") for place in range(self.k)]
        taken = Signal(self.k)
        beats = Signal(self.k)   # a run of ones down to the last place, as the keys are sorted
        # "Less than" is one carry chain; for "greater than" yosys adds a test for equality.
        m.d.comb += [beats.eq(Cat(own < key for own in keys)), write.en.eq(entering & beats[-1]),
                     write.addr.eq(slots[-1]), write.data.eq(entry)]
        above_key, above_slot, above_taken, above_beaten = key, slots[-1], Const(1), Const(0)
        for place in range(self.k):
            with m.If(empty):
                m.d.sync += [keys[place].eq(0), taken[place].eq(0)]
            with m.Elif(entering & beats[place]):
                m.d.sync += [keys[place].eq(Mux(above_beaten, above_key, key)),
                             slots[place].eq(Mux(above_beaten, above_slot, slots[-1])),
                             taken[place].eq(Mux(above_beaten, above_taken, 1))]
            above_key, above_slot, above_taken = keys[place], slots[place], taken[place]
            above_beaten = beats[place]

        place, slot, there = Signal(range(self.k)), Signal.like(slots[0]), Signal()
        listed = Signal(Candidate)
        m.d.sync += [slot.eq(data.ArrayLayout(slot.shape(), self.k)(Cat(slots))[place]),
                     there.eq(taken.bit_select(place, 1)), listed.eq(Mux(there, read.data.as_value(), ~0))]
        m.d.comb += read.addr.eq(slot)
        return place, listed
