"""FP32 fields, and the rounding that ends every pipeline."""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from .pipeline import Pipeline

__all__ = ["BIAS", "FRACTION", "INFINITY", "NAN", "Float32", "finish", "is_infinity", "is_nan",
           "leading_place", "significand"]

FRACTION = 23
BIAS = 127
NAN = 0x7FC00000
INFINITY = 0x7F800000

Float32 = data.StructLayout({"fraction": FRACTION, "exponent": 8, "sign": 1})


def significand(x) -> Value:
    """The 24-bit significand; 0 for zeros and denormals."""
    return Mux(x.exponent == 0, 0, Cat(x.fraction, Const(1, 1)))


def is_nan(x) -> Value:
    return x.exponent.all() & x.fraction.any()


def is_infinity(x) -> Value:
    return x.exponent.all() & ~x.fraction.any()


def leading_place(top) -> tuple[Value, Value]:
    """Of the leading one of 8 bits: 2^(places above it), a factor that moves it to the top, and these places."""
    unit = Cat(top[7 - place] & ~top[8 - place:].any() for place in range(8))
    return unit, Cat(Cat(unit[place] for place in range(8) if place >> bit & 1).any() for bit in range(3))


def finish(pipe: Pipeline, *, sign, exponent_less_1, mantissa, guard, sticky, nan, infinity, zero) -> Value:
    """Two stages: round to nearest even, then overflow, underflow and the overrides. Returns the 32-bit register.

    ``exponent_less_1`` is biased and signed, ``mantissa`` has 24 bits with the leading one. ``nan`` wins over
    ``infinity``, that over ``zero``, that over an overflow.
    """
    # IEEE rounds to the denormal grid: the upper half of the last step below 2^-126 reaches it, whatever the guard bit.
    to_normal = exponent_less_1.all() & mantissa.all()
    up = guard & (sticky | mantissa[0]) | to_normal
    # The leading one makes the exponent whole, a carry out of the fraction increments it once more.
    fields = Cat(mantissa[:FRACTION], exponent_less_1)
    increment = Cat(up, Const(1 << FRACTION - 1, FRACTION))
    s = pipe.stage(fields=(fields + increment)[:len(fields)], sign=sign, nan=nan, infinity=infinity, zero=zero)

    exponent, negative = s.fields[FRACTION:-1], s.fields[-1]
    infinite = s.infinity | (exponent[8:].any() | exponent[:8].all()) & ~negative & ~s.zero
    zero = s.zero | negative | ~exponent.any()
    magnitude = Mux(infinite, INFINITY, Mux(zero, 0, s.fields[:31]))
    return pipe.stage(o=Mux(s.nan, NAN, Cat(magnitude[:31], s.sign))).o
