"""Folds a stream of results into one FP32 value."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..arith import FloatAdd
from ..isa import Reduce

__all__ = ["Extremum", "Reducer", "Sum"]

PARTIALS = 8
"""Interleaved partial sums: what lets a pipelined adder take one element per cycle in a fixed order."""

_INFINITY = 0x7F800000
_SIGN = 1 << 31


class Sum(wiring.Component):
    """`Reduce.SUM` of numerics.md: eight interleaved partial sums, then a tree of the same adder.

    Element i meets the sum of element i - 8 on its way out of the adder, so elements must come without gaps. The sums
    also go to two memories, even and odd, from which the tree reads a pair per cycle.

    Members
    -------
    start: begins a sum; not between the first element of one and its ``done``.
    valid, last, z: elements, one in every cycle from the first to the last.
    done, result: pulse with the sum, ``latency`` cycles after the last element.
    """

    start: In(1)
    valid: In(1)
    last: In(1)
    z: In(32)
    done: Out(1)
    result: Out(32)

    latency = 4 * FloatAdd.latency + 11

    def elaborate(self, platform):
        m = Module()
        m.submodules.adder = adder = FloatAdd()
        if adder.latency >= PARTIALS:
            raise ValueError(f"an adder of latency {adder.latency} cannot feed {PARTIALS} partial sums")

        back = adder.o
        for i in range(PARTIALS - adder.latency):
            delayed = Signal(32, name=f"back{i}")
            m.d.sync += delayed.eq(back)
            back = delayed

        touched = Signal(PARTIALS)  # bit k: partial k has an element; without, it is +0 whatever its memory holds
        folding = Signal()
        pairs = Signal(range(PARTIALS // 2 + 1))  # of the tree's next level
        index = Signal(range(PARTIALS // 2))
        pair, pair_last = Signal(), Signal()
        even, odd = Signal(32), Signal(32)
        m.d.sync += [pair.eq(folding), pair_last.eq(index == pairs - 1)]
        m.d.comb += [
            adder.i_valid.eq(self.valid | pair),
            adder.a.eq(Mux(pair, even, self.z)),
            adder.b.eq(Mux(pair, odd, Mux(touched[-1], back, 0))),
        ]

        to = Signal(range(PARTIALS))
        for k, (name, operand) in enumerate((("even", even), ("odd", odd))):
            m.submodules[name] = bank = memory.Memory(shape=32, depth=PARTIALS // 2, init=[])
            write, read = bank.write_port(), bank.read_port(domain="comb")
            m.d.comb += [
                write.addr.eq(to >> 1), write.data.eq(adder.o), write.en.eq(adder.o_valid & (to[0] == k)),
                read.addr.eq(index),
            ]
            with m.If(folding):
                m.d.sync += operand.eq(Mux(touched[k], read.data, 0))

        # The last element of a level leaves the adder.
        end = Signal(adder.latency)
        m.d.sync += end.eq((end << 1) | Mux(pair, pair_last, self.valid & self.last))

        with m.If(adder.o_valid):
            m.d.sync += to.eq(to + 1)
        m.d.sync += self.done.eq(0)
        with m.FSM() as fsm:
            m.d.comb += folding.eq(fsm.ongoing("FOLD"))
            with m.State("ELEMENTS"):
                with m.If(self.start):
                    m.d.sync += [touched.eq(0), to.eq(0)]
                with m.Elif(self.valid):
                    m.d.sync += touched.eq((touched << 1) | 1)
                    with m.If(self.last):
                        m.d.sync += pairs.eq(PARTIALS // 2)
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                with m.If(end[-1]):
                    m.d.sync += [index.eq(0), to.eq(0)]
                    m.next = "FOLD"
                    with m.If(pairs == 0):
                        m.d.sync += [self.done.eq(1), self.result.eq(adder.o)]
                        m.next = "ELEMENTS"
            with m.State("FOLD"):
                m.d.sync += [index.eq(index + 1), touched.eq(Cat(touched[2:], Const(3, 2)))]
                with m.If(index == pairs - 1):
                    m.d.sync += pairs.eq(pairs >> 1)
                    m.next = "DRAIN"
        return m


class Extremum(wiring.Component):
    """`Reduce.MAX` and `Reduce.MAXABS` of numerics.md, one element per cycle; denormals count as zeros.

    Members
    -------
    start: begins a fold.
    absolute: MAXABS instead of MAX; constant from ``start`` to ``done``.
    valid, last, z: elements, at most one per cycle.
    done, result: pulse with the extremum, two cycles after the last element.
    """

    start: In(1)
    absolute: In(1)
    valid: In(1)
    last: In(1)
    z: In(32)
    done: Out(1)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        # The key orders values as an unsigned number; both zeros have the same.
        exponent, fraction = self.z[23:31], self.z[:23]
        magnitude = Mux(exponent == 0, 0, self.z[:31])
        negative = self.z[31] & ~self.absolute
        is_nan = (exponent == 0xFF) & (fraction != 0)

        waiting, final = Signal(), Signal()
        value, key = Signal(32), Signal(32)
        m.d.sync += [waiting.eq(self.valid & ~is_nan), final.eq(self.valid & self.last), self.done.eq(final)]
        with m.If(self.valid):
            m.d.sync += [
                value.eq(Cat(magnitude, negative)),
                key.eq(Mux(negative & (magnitude != 0), ~(magnitude | _SIGN), magnitude | _SIGN)),
            ]

        best = Signal(32)
        with m.If(self.start):
            m.d.sync += [
                self.result.eq(Mux(self.absolute, 0, _SIGN | _INFINITY)),
                best.eq(Mux(self.absolute, _SIGN, ~(_INFINITY | _SIGN) & 0xFFFFFFFF)),
            ]
        with m.Elif(waiting):
            with m.If(key > best):
                m.d.sync += [self.result.eq(value), best.eq(key)]
        return m


class Reducer(wiring.Component):
    """Folds a command's results by its `Reduce`.

    Members
    -------
    start, mode: begins a fold of that kind; ``mode`` stays constant until ``done``.
    valid, last, z: results, at most one per cycle.
    done: pulse at the end of any mode.
    write, result: in the cycle of ``done``, whether ``result`` is a new scalar.
    """

    start: In(1)
    mode: In(Reduce)
    valid: In(1)
    last: In(1)
    z: In(32)
    done: Out(1)
    write: Out(1)
    result: Out(32)

    def elaborate(self, platform):
        m = Module()
        m.submodules.sum = total = Sum()
        m.submodules.extremum = extremum = Extremum()
        use_sum, use_extremum = self.mode == Reduce.SUM, self.mode[1]
        for fold, use in ((total, use_sum), (extremum, use_extremum)):
            m.d.comb += [
                fold.start.eq(self.start), fold.valid.eq(self.valid & use), fold.last.eq(self.last), fold.z.eq(self.z)]
        m.d.comb += [
            extremum.absolute.eq(self.mode == Reduce.MAXABS),
            self.write.eq(total.done | extremum.done),
            self.result.eq(Mux(use_sum, total.result, extremum.result)),
            self.done.eq(self.write | ((self.mode == Reduce.NONE) & self.valid & self.last)),
        ]
        return m
