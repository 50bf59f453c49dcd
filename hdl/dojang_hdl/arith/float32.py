"""FP32 fields, and the rounding that ends every pipeline."""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data

from .pipeline import Pipeline

__all__ = ["BIAS", "FRACTION", "INFINITY", "NAN", "Float32", "finish", "is_infinity", "is_nan", "significand"]

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


def finish(pipe: Pipeline, *, sign, exponent, mantissa, guard, sticky, nan, infinity, zero) -> Value:
    """Two stages: round to nearest even, then overflow, underflow and the overrides. Returns the 32-bit register.

    ``exponent`` is biased and signed, ``mantissa`` has 24 bits with the leading one. ``nan`` wins over ``infinity``,
    that over ``zero``, that over an overflow.
    """
    # IEEE rounds to the denormal grid: the upper half of the last step below 2^-126 reaches it, whatever the guard bit.
    to_normal = (exponent == 0) & mantissa.all()
    up = guard & (sticky | mantissa[0]) | to_normal
    fields = Cat(mantissa[:FRACTION], exponent).as_signed()  # a carry out of the fraction increments the exponent
    s = pipe.stage(fields=(fields + up)[:len(fields)].as_signed(), sign=sign, nan=nan, infinity=infinity, zero=zero)

    rounded = s.fields >> FRACTION
    infinite = s.infinity | (rounded >= 255) & ~s.zero
    zero = s.zero | (rounded <= 0)
    magnitude = Mux(infinite, INFINITY, Mux(zero, 0, s.fields[:31]))
    return pipe.stage(o=Mux(s.nan, NAN, Cat(magnitude[:31], s.sign))).o
