"""The node's list of its most likely tokens, kept while logits pass by."""

from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS
from ..sram_port import SRAM_LATENCY, SramRead

__all__ = ["Candidate", "Candidates", "CandidatesCommand"]

CandidatesCommand = data.StructLayout({"a": 16, "n": 16, "index": 32, "reset": 1})

Candidate = data.StructLayout({"value": 32, "id": 32})
"""An FP32 value and its token id; id 0xFFFFFFFF marks an empty place."""


class Candidates(wiring.Component):
    """The ``k`` largest of all elements offered since the last reset, in descending order.

    Sorted keys stand side by side: an element is compared with all of them at once and pushes those that it beats
    one place down, so one element enters per cycle. Values and ids stay in a small memory, in the slot that the
    last key pushed out leaves. Of equal values the one offered first stays in front. NaN is never listed. -0 ranks
    below +0.

    A command offers ``n`` elements from SRAM word ``a``, with ids counting up from ``index``; ``reset`` empties the
    list first. ``n`` = 0 does nothing at all. It takes n + 4 cycles; commands are accepted only when idle, and kept.

    Members
    -------
    command: In stream of `CandidatesCommand`.
    sram: read port.
    busy: high from acceptance until the list is final.
    select, candidate: place 0 (best) to k - 1 and its content, one cycle later; all ones where it is empty.
    """

    def __init__(self, k: int):
        self.k = k
        super().__init__({
            "command": In(stream.Signature(CandidatesCommand)),
            "sram": Out(SramRead()),
            "busy": Out(1),
            "select": In(range(k)),
            "candidate": Out(Candidate),
        })

    def elaborate(self, platform):
        m = Module()
        command = self.command.payload
        accept, running = Signal(), Signal()
        left, lane = Signal(16), Signal(range(ELEMENTS))
        reading = Signal(SRAM_LATENCY)
        lanes = [Signal.like(lane, name=f"lane{i}") for i in range(SRAM_LATENCY)]
        element, index = Signal(32), Signal(32)
        offered, is_nan = Signal(), Signal()
        entering = Signal()
        # A word is read until its last element is on its way, so nothing has to keep it.
        m.d.comb += [
            running.eq(left != 0), offered.eq(reading[-1]),
            self.busy.eq(running | reading.any() | entering),
            self.command.ready.eq(~self.busy), accept.eq(self.command.valid & ~self.busy),
            element.eq(self.sram.data.word_select(lanes[-1], 32)),
            is_nan.eq(element[23:31].all() & element[:23].any()),
        ]
        m.d.sync += [reading.eq(Cat(running, reading)), index.eq(index + offered),
                     *(after.eq(before) for before, after in pairwise([lane, *lanes]))]
        with m.If(accept):
            m.d.sync += [left.eq(command.n), self.sram.addr.eq(command.a), lane.eq(0), index.eq(command.index)]
        with m.Elif(running):
            m.d.sync += [left.eq(left - 1), lane.eq(lane + 1), self.sram.addr.eq(self.sram.addr + lane.all())]

        entry = Signal(Candidate)
        m.d.sync += [entry.value.eq(element), entry.id.eq(index), entering.eq(offered & ~is_nan)]
        # Many flip-flops hang on it, hence the register; the first element is two cycles away at least.
        empty = Signal()
        m.d.sync += empty.eq(accept & command.reset & (command.n != 0))
        self._list(m, entry, entering, empty)
        return m

    def _list(self, m, entry, entering, empty):
        """Keys and slots by place; ``entry`` takes its place when ``entering``, at once."""
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

        m.d.comb += read.addr.eq(data.ArrayLayout(slots[0].shape(), self.k)(Cat(slots))[self.select])
        m.d.sync += self.candidate.eq(read.data)
        with m.If(~taken.bit_select(self.select, 1)):
            m.d.sync += self.candidate.eq(~0)
