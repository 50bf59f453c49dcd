"""One weight row against one block of activations, a bit-plane per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arith.pipeline import Pipeline
from ..config import BLOCK
from .formats import DOT, Q_BITS

__all__ = ["Lane"]


class Lane(wiring.Component):
    """I = sum over planes of 2^i times the sum of the q whose bit is set, ``latency`` cycles after the last plane.

    Takes a plane per cycle, most significant first, rows without a gap between them.

    Members
    -------
    q: 32 signed 16-bit integers, valid with ``plane``.
    i_valid: plane, first and last are valid. Idle stages do not toggle.
    plane: bit j of every weight j of the row.
    first, last: a row's first and last plane.
    signed: the first plane counts negative.
    o_valid: pulse, a row is finished.
    o: I.
    """

    q: In(BLOCK * Q_BITS)
    i_valid: In(1)
    plane: In(BLOCK)
    first: In(1)
    last: In(1)
    signed: In(1)
    o_valid: Out(1)
    o: Out(DOT)

    latency = 7

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)
        # Masked as registers, which their reset inputs do: no logic in front of the adders.
        masked = {f"q{j}": Mux(self.plane[j], self.q.word_select(j, Q_BITS), 0) for j in range(BLOCK)}
        s = pipe.stage(first=self.first, last=self.last, negative=self.first & self.signed, **masked)

        terms = [getattr(s, name).as_signed() for name in masked]
        while len(terms) > 1:
            width = len(terms[0]) + 1
            sums = {f"sum{i}": (a + b)[:width].as_signed()
                    for i, (a, b) in enumerate(zip(terms[::2], terms[1::2], strict=True))}
            s = pipe.stage(first=s.first, last=s.last, negative=s.negative, **sums)
            terms = [getattr(s, name).as_signed() for name in sums]

        with m.If(pipe.valid):
            # -x is ~x + 1, and the 1 a carry into one adder for both signs.
            doubled, term = Signal(signed(len(self.o))), Signal(signed(len(self.o)))
            m.d.comb += [doubled.eq(Mux(s.first, 0, self.o << 1)), term.eq(Mux(s.negative, ~terms[0], terms[0]))]
            m.d.sync += self.o.eq((Cat(s.negative, doubled) + Cat(s.negative, term))[1:].as_signed())
        m.d.sync += self.o_valid.eq(pipe.valid & s.last)
        assert pipe.stages + 1 == self.latency
        return m
