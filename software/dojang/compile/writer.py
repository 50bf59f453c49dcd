"""Writes the program of one node: short names for instructions, and the all-gather protocol."""

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import Mode, Mul, Op, Reduce, Reg, Round

from .buffers import Buffers
from .model import ModelLayout
from .program import Count, ProgramBuilder
from .sram import vector_words

__all__ = ["IN_ORDER", "LATE", "Writer", "bits"]

IN_ORDER, LATE = 2, 3
"""Arrival tags of LOADs: gains and rotary rows; embedding rows and V scales. All-gathers alternate 0 and 1."""


def bits(value: float) -> int:
    """FP32 pattern of a constant."""
    return int(np.float32(value).view(np.uint32))


class Writer:
    """Builder, layout, buffers and place of one node's program."""

    def __init__(self, model: ModelLayout, buffers: Buffers, node: int):
        self.model, self.buffers, self.node = model, buffers, node
        self.shape, self.config = model.shape, model.config
        self.contexts = buffers.contexts
        self.channel = node // self.config.width
        self.builder = ProgramBuilder(self.config.queued_streams)
        self._gather_tag = 0

    @property
    def heads(self) -> list[int]:
        """KV heads this node owns."""
        return [head for head in range(self.shape.kv_heads) if self.model.owner(head) == self.node]

    def vec(self, n: int | Count, a: int, **fields: int) -> None:
        """VEC with vector operand ``a``; results are stored where ``d`` is given."""
        self.builder.emit(Op.VEC, n, a=a, store="d" in fields, **fields)

    def scalar(self, s_a: int, s_out: int, nan: bool = False, **fields: int) -> None:
        """Scalar register ``s_out`` = one element computed from scalar ``s_a``.

        The MAX of one element is that element, unless it may be a NaN (``nan``): SUM keeps it, 37 cycles later.
        """
        reduce = Reduce.SUM if nan else Reduce.MAX
        self.builder.emit(Op.VEC, 1, a_scalar=1, s_a=s_a, s_out=s_out, reduce=reduce, **fields)

    def load(self, tag: int, n: int | Count, d: int, addr: int, **fields: int) -> None:
        self.builder.emit(Op.LOAD, n, tag=tag, d=d, addr=addr, **({"channel": self.channel} | fields))

    def wait(self, tag: int, n: int | Count) -> None:
        self.builder.emit(Op.WAIT, n, tag=tag)

    def send(self, n: int, a: int, d: int) -> None:
        """Part of the present all-gather: ``n`` words to every node."""
        self.builder.emit(Op.SEND, n, a=a, d=d, tag=self._gather_tag, mode=Mode.ALL)

    def gathered(self, n: int) -> None:
        """Wait for the ``n`` words of the present all-gather; what is sent from now on is the next one."""
        self.wait(self._gather_tag, n)
        self._gather_tag ^= 1

    def clear_zeros(self) -> None:
        """Make the zero block, and the zeros behind h that a VEC's ``pad32`` does not reach."""
        b, padded = self.buffers, vector_words(self.shape.d, BLOCK)
        self._zeros(b.zeros, b.zeros_words)
        if padded < b.h_stride:
            for c in range(self.contexts):
                self._zeros(b.h + c * b.h_stride + padded, b.h_stride - padded)

    def _zeros(self, d: int, words: int) -> None:
        """0 times anything, with NaN rounded to the integer 0."""
        self.builder.emit(Op.VEC, words * ELEMENTS, a_scalar=1, mul=Mul.IMM, imm0=0, round=Round.INT8, store=1, d=d)

    @staticmethod
    def position(context: int) -> dict[str, int]:
        """MEM fields that pick the lane, bit or element of the position of ``context``."""
        return {"lane_reg": Reg.POS, "lane_bias": context}
