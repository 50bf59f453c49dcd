"""The multiplexer behind an arbiter."""

from functools import reduce
from operator import or_

from amaranth.hdl import Mux, Value

__all__ = ["multiplex"]


def multiplex(select, values):
    """The one of ``values`` that one-hot ``select`` names; undefined when it names none.

    Two are a plain multiplexer (a slice's own one can join them), more an AND and an OR.
    """
    values = [Value.cast(value) for value in values]
    if len(values) == 2:
        return Mux(select[1], values[1], values[0])
    return reduce(or_, (value & bit.replicate(len(value)) for value, bit in zip(values, select, strict=True)))
