"""Transformed activations back to 16 bits."""

from amaranth.hdl import Cat, Module, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arith.pipeline import Pipeline
from ..config import ELEMENTS
from .formats import Q_BITS, R_BITS

__all__ = ["SHIFT", "Rounding"]

MOST = R_BITS - Q_BITS

SHIFT = unsigned(MOST.bit_length())
"""s, the places r is shifted by: 0 to 6."""

FACTOR = 18
"""Bits of a hardware multiplier's operands."""


class Rounding(wiring.Component):
    """q' = clamp(round_half_even(r / 2^s), -32767, 32767), four a cycle, ``latency`` cycles later.

    Members
    -------
    i_valid: i and shift are operands. Idle stages do not toggle.
    i: four r, of which each is -2^(15+s) or more and less than 2^(15+s).
    shift: s.
    o: four q'.
    """

    latency = 4

    def __init__(self):
        super().__init__({
            "i_valid": In(1), "i": In(signed(R_BITS)).array(ELEMENTS), "shift": In(SHIFT),
            "o": Out(signed(Q_BITS)).array(ELEMENTS),
        })

    def elaborate(self, platform):
        m = Module()
        pipe = Pipeline(m, self.i_valid)
        lanes = range(ELEMENTS)

        # r * 2^(6 - s) has q' above the lowest six bits. A multiplication shifts the bits of r that fit into it.
        s = pipe.stage(unit=Cat(self.shift == MOST - k for k in range(MOST + 1)),
                       **{f"r{i}": self.i[i] for i in lanes})
        values = {}
        rest = R_BITS - FACTOR
        for i in lanes:
            r = getattr(s, f"r{i}")
            values[f"upper{i}"] = (r[rest:].as_signed() * s.unit)[:FACTOR]
            values[f"lower{i}"] = Cat(
                Cat(r[j] & s.unit[bit - j] for j in range(rest) if 0 <= bit - j <= MOST).any()
                for bit in range(rest + MOST))
        s = pipe.stage(**values)

        values = {}
        for i in lanes:
            upper, lower = getattr(s, f"upper{i}"), getattr(s, f"lower{i}")
            shifted = Cat(lower[:rest], upper[:MOST] | lower[rest:], upper[MOST:])
            q, guard, sticky = shifted[MOST:], shifted[MOST - 1], shifted[:MOST - 1].any()
            largest, smallest = q[:-1].all() & ~q[-1], ~q[:-1].any() & q[-1]
            values |= {f"q{i}": q, f"up{i}": (guard & (q[0] | sticky) | smallest) & ~largest}
        s = pipe.stage(**values)
        s = pipe.stage(**{f"o{i}": (getattr(s, f"q{i}") + getattr(s, f"up{i}"))[:Q_BITS] for i in lanes})
        assert pipe.stages == self.latency
        m.d.comb += [self.o[i].eq(getattr(s, f"o{i}")) for i in lanes]
        return m
