"""Instructions in hardware: the fields of isa.py, which unit executes what, and an instruction ready to be issued."""

from amaranth.hdl import signed
from amaranth.lib import data

from .. import isa
from ..config import WORD_BITS

__all__ = ["GemvLayout", "HeadLayout", "Instruction", "MemLayout", "SendLayout", "Unit", "VecLayout"]


def _layout(fields) -> data.StructLayout:
    """Of one of isa's field tables."""
    return data.StructLayout({name: signed(width) if name in isa.SIGNED else width for name, width in fields})


HeadLayout, MemLayout, VecLayout, GemvLayout, SendLayout = (
    _layout(fields) for fields in (isa.HEAD, isa.MEM, isa.VEC, isa.GEMV, isa.SEND))


class Unit:
    """Which unit executes an opcode."""

    ENGINE, VECTOR, MOVER, CANDIDATES = range(4)
    STREAMS = 4   # and the following ones, in the order of isa.Stream
    COUNT = STREAMS + len(isa.Stream)


Instruction = data.StructLayout({
    "head": HeadLayout, "rest": WORD_BITS, "unit": range(Unit.COUNT), "n": 16, "addr": 32, "index": 32})
"""An instruction whose dynamic values are resolved. `rest` is its high word; `index` is the lane position. Of a WAIT
`unit` says nothing."""
