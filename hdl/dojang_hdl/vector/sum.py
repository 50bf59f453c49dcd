"""`Reduce.SUM`."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..arith import FloatAdd

__all__ = ["Sum"]

PARTIALS = 8
"""Interleaved partial sums: what lets pipelined adders take elements in every cycle in a fixed order."""


class Sum(wiring.Component):
    """`Reduce.SUM` of numerics.md: eight interleaved partial sums, then a tree of the same adders.

    Element i meets the sum of element i - 8 on its way out of its adder, so elements must come without gaps. The sums
    also go to two memories, even and odd, from which the tree reads a pair per adder and cycle.

    Parameters
    ----------
    width: elements and adders, 1 or 2. Two have four cycles to add, not eight.

    Members
    -------
    start: begins a sum; not between the first element of one and its ``done``.
    valid: a bit per element; all of them in every cycle from the first to the one of ``last``, then from the lowest.
    last, z: elements, the earlier one lower.
    done, result: pulse with the sum, ``latency`` cycles after the last element.
    """

    def __init__(self, width: int = 1):
        self._width = width
        self._adders = [FloatAdd(short=width > 1) for _ in range(width)]
        if self._adders[0].latency > PARTIALS // width:
            raise ValueError(f"{width} adders of latency {self._adders[0].latency} cannot feed {PARTIALS} partial sums")
        super().__init__({
            "start": In(1), "valid": In(width), "last": In(1), "z": In(32 * width), "done": Out(1), "result": Out(32)})

    @property
    def latency(self) -> int:
        return 4 * self._adders[0].latency + (11 if self._width == 1 else 8)

    def elaborate(self, platform):
        m = Module()
        width, adders = self._width, self._adders
        first = adders[0]
        marks = [""] if width == 1 else range(width)

        backs = []
        for adder, mark in zip(adders, marks, strict=True):
            m.submodules[f"adder{mark}"] = adder
            back = adder.o
            for i in range(PARTIALS // width - adder.latency):
                delayed = Signal(32, name=f"back{mark}{i}")
                m.d.sync += delayed.eq(back)
                back = delayed
            backs.append(back)

        touched = Signal(PARTIALS)  # bit k: partial k has an element; without, it is +0 whatever its memory holds
        folding = Signal()
        pairs = Signal(range(PARTIALS // 2 + 1))  # of the tree's next level
        index = Signal(range(PARTIALS // 2 // width))  # of the adders' next pairs
        final = pairs - 1 if width == 1 else pairs[-1]  # index of a level's last pair, of which there are 4, 2 or 1
        pair, pair_last = Signal(), Signal()
        m.d.sync += [pair.eq(folding), pair_last.eq(index == final)]
        to = Signal(range(PARTIALS // width))  # of its adder's sums, the one that leaves next
        for j, (adder, back, mark) in enumerate(zip(adders, backs, marks, strict=True)):
            even, odd = Signal(32), Signal(32)
            m.d.comb += [
                adder.i_valid.eq(self.valid[j] | pair),
                adder.a.eq(Mux(pair, even, self.z.word_select(j, 32))),
                adder.b.eq(Mux(pair, odd, Mux(touched[-1], back, 0))),
            ]
            # Every adder reads from copies of its own, of what all of them have summed.
            for k, (name, operand) in enumerate((("even", even), ("odd", odd))):
                m.submodules[f"{name}{mark}"] = bank = memory.Memory(shape=32, depth=PARTIALS // 2, init=[])
                write, read = bank.write_port(), bank.read_port(domain="comb")
                source, mine = (first, to[0] == k) if width == 1 else (adders[k], 1)
                m.d.comb += [
                    write.addr.eq(to >> (2 - width)), write.data.eq(source.o), write.en.eq(source.o_valid & mine),
                    read.addr.eq(Cat(Const(j, width - 1), index)),
                ]
                with m.If(folding):
                    m.d.sync += operand.eq(Mux(touched[2 * j + k], read.data, 0))

        # The last element of a level leaves the adder.
        end = Signal(first.latency)
        m.d.sync += end.eq((end << 1) | Mux(pair, pair_last, self.valid[0] & self.last))

        with m.If(first.o_valid):
            m.d.sync += to.eq(to + 1)
        m.d.sync += self.done.eq(0)
        with m.FSM() as fsm:
            m.d.comb += folding.eq(fsm.ongoing("FOLD"))
            with m.State("ELEMENTS"):
                with m.If(self.start):
                    m.d.sync += [touched.eq(0), to.eq(0)]
                with m.Elif(self.valid[0]):
                    m.d.sync += touched.eq((touched << 1) | 1)
                    for j in range(1, width):
                        with m.If(self.valid[j]):
                            m.d.sync += touched.eq((touched << j + 1) | (2 << j) - 1)
                    with m.If(self.last):
                        m.d.sync += pairs.eq(PARTIALS // 2)
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(end[-1]):
                    m.d.sync += [index.eq(0), to.eq(0)]
                    m.next = "FOLD"
                    with m.If(pairs == 0):
                        m.d.sync += [self.done.eq(1), self.result.eq(first.o)]
                        m.next = "ELEMENTS"
            with m.State("FOLD"):
                m.d.sync += [index.eq(index + 1),
                             touched.eq(Cat(touched[2 * width:], Const(-1, 2 * width)))]
                with m.If(index == final):
                    m.d.sync += pairs.eq(pairs >> 1)
                    m.next = "DRAIN"
        return m
