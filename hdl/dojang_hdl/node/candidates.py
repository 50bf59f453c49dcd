"""The node's list of its most likely tokens, kept while logits pass by."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS
from ..sram_port import SramRead
from .source import SourceCommand, SramSource

__all__ = ["Candidate", "Candidates", "CandidatesCommand"]

CandidatesCommand = data.StructLayout({"a": 16, "n": 16, "index": 32, "reset": 1})

Candidate = data.StructLayout({"value": 32, "id": 32})
"""An FP32 value and its token id; id 0xFFFFFFFF marks an empty place."""

EMPTY = 0xFFFFFFFF
LOWEST = -(1 << 31)


class Candidates(wiring.Component):
    """The ``k`` largest of all elements offered since the last reset, in descending order.

    A systolic chain: cell i keeps the larger of what it has and what it is offered and hands on the other, so one
    element enters per cycle and every cell has one comparator. Of equal values the one offered first stays in
    front. NaN is never listed. -0 ranks below +0.

    A command offers ``n`` elements from SRAM word ``a``, with ids counting up from ``index``; ``reset`` empties the
    list first. ``n`` = 0 does nothing at all. It takes about n + k + 8 cycles; commands are accepted only when idle.

    Members
    -------
    command: In stream of `CandidatesCommand`.
    sram: read port.
    busy: high from acceptance until the list is final.
    select, candidate: place 0 (best) to k - 1 and its content, one cycle later.
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
        m.submodules.source = source = SramSource()
        wiring.connect(m, source.sram, wiring.flipped(self.sram))

        left, index, lane = Signal(16), Signal(32), Signal(range(ELEMENTS))
        settle = Signal(range(self.k + 2))
        command = self.command.payload
        accept = Signal()
        m.d.comb += [
            self.busy.eq((left != 0) | (settle != 0)),
            accept.eq(self.command.valid & self.command.ready),
            self.command.ready.eq(~self.busy & source.command.ready),
            source.command.valid.eq(self.command.valid & ~self.busy),
            source.command.payload.eq(SourceCommand.const({})),
            source.command.payload.addr.eq(command.a),
            source.command.payload.words.eq((command.n + (ELEMENTS - 1)) >> 2),
        ]

        # One element per cycle from the word at the source's head.
        element = Signal(32)
        offered, is_nan = Signal(), Signal()
        m.d.comb += [
            element.eq(source.o.payload.word_select(lane, 32)),
            offered.eq(source.o.valid & (left != 0)),
            is_nan.eq(element[23:31].all() & element[:23].any()),
            source.o.ready.eq((lane == ELEMENTS - 1) | (left == 1)),
        ]
        with m.If(accept):
            m.d.sync += [left.eq(command.n), index.eq(command.index), lane.eq(0)]
            with m.If(command.n != 0):
                m.d.sync += settle.eq(self.k + 1)
        with m.Elif(offered):
            m.d.sync += [left.eq(left - 1), index.eq(index + 1), lane.eq(lane + 1)]
        with m.Elif((left == 0) & (settle != 0)):
            m.d.sync += settle.eq(settle - 1)

        # Sign-magnitude to two's complement order, so that cells compare integers.
        key = Signal(signed(32))
        m.d.comb += key.eq(Cat(element[:31] ^ element[31].replicate(31), element[31]))
        keys = [Signal(signed(32), name=f"key{i}") for i in range(self.k + 1)]
        ids = [Signal(32, name=f"id{i}") for i in range(self.k + 1)]
        valids = [Signal(name=f"valid{i}") for i in range(self.k + 1)]
        # What a cell hands on was in front of all that follows, so it takes the next place even from an equal.
        displaced = [Signal(name=f"displaced{i}") for i in range(self.k + 1)]
        m.d.sync += [keys[0].eq(key), ids[0].eq(index), valids[0].eq(offered & ~is_nan)]

        # Many cells hang on it, hence the register; the first element is two cycles away at least.
        empty = Signal()
        m.d.sync += empty.eq(accept & command.reset & (command.n != 0))
        kept = []
        for i in range(self.k):
            own_key = Signal(signed(32), init=LOWEST, name=f"own_key{i}")
            own_id = Signal(32, init=EMPTY, name=f"own_id{i}")
            kept.append((own_key, own_id))
            m.d.sync += valids[i + 1].eq(valids[i])
            with m.If(empty):
                m.d.sync += [own_key.eq(LOWEST), own_id.eq(EMPTY)]
            with m.Elif(valids[i]):
                with m.If(displaced[i] | (keys[i] > own_key)):  # only a NaN is not larger than LOWEST
                    m.d.sync += [own_key.eq(keys[i]), own_id.eq(ids[i]), keys[i + 1].eq(own_key),
                                 ids[i + 1].eq(own_id), displaced[i + 1].eq(1)]
                with m.Else():
                    m.d.sync += [keys[i + 1].eq(keys[i]), ids[i + 1].eq(ids[i]), displaced[i + 1].eq(0)]

        chosen_key, chosen_id = Signal(32), Signal(32)
        with m.Switch(self.select):
            for i, (own_key, own_id) in enumerate(kept):
                with m.Case(i):
                    m.d.comb += [chosen_key.eq(own_key), chosen_id.eq(own_id)]
        value = Mux(chosen_key[31], Cat(~chosen_key[:31], chosen_key[31]), chosen_key)
        m.d.sync += [self.candidate.value.eq(value), self.candidate.id.eq(chosen_id)]
        return m
