"""Writes the program of one node: short names for instructions, and the all-gather protocol."""

from collections import deque

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS
from dojang_hdl.isa import Mode, Mul, Op, Reduce, Reg, Round

from .buffers import Buffers
from .model import ModelLayout
from .program import Count, Phase, ProgramBuilder
from .regions import of_set
from .sram import vector_words

__all__ = ["GATHER_TAGS", "IN_ORDER", "LATE", "Writer", "bits"]

GATHER_TAGS = (0, 1)
"""Arrival tags of all-gathers, which alternate."""

IN_ORDER, LATE = 2, 3
"""Arrival tags of LOADs: vectors of constants and what comes between them; embedding rows and V scales."""


def bits(value: float) -> int:
    """FP32 pattern of a constant."""
    return int(np.float32(value).view(np.uint32))


class Writer:
    """Builder, layout, buffers and place of one node's program; ``layer`` is the one being written, if any."""

    def __init__(self, model: ModelLayout, buffers: Buffers, node: int):
        self.model, self.buffers, self.node = model, buffers, node
        self.shape, self.config = model.shape, model.config
        self.contexts = buffers.contexts
        self.channel = node // self.config.width
        self.builder = ProgramBuilder(self.config.queued_streams)
        self.layer: int | None = None
        self._gather_tag = 0
        self._vectors = model.vectors.of_node(heads=len(self.heads) > 0)
        self._loaded = self._taken = 0
        self._expected: deque[tuple[object, int]] = deque()

    @property
    def heads(self) -> list[int]:
        """KV heads this node owns."""
        return [head for head in range(self.shape.kv_heads) if self.model.owner(head) == self.node]

    def phase(self, name: str) -> None:
        """What the instructions that follow are for."""
        self.builder.phase = Phase(name, self.layer)

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

    def load_in_order(self, what: object, n: int, d: int, addr: int, **fields: int) -> None:
        """A part of ``what``, which `wait_for` waits for."""
        self.load(IN_ORDER, n, d, addr, **fields)
        self._expected.append((what, n))

    def wait_for(self, what: object) -> None:
        """Wait until all of ``what`` is there, and all that was to be loaded before it; nothing if nothing is missing.
        """
        parts = [what for what, _ in self._expected]
        if what in parts:
            count = len(parts) - parts[::-1].index(what)
            self.wait(IN_ORDER, sum(self._expected.popleft()[1] for _ in range(count)))

    def load_vector(self) -> None:
        """LOAD of the pass's next vector of constants, if there is one, where the last but one is used no more."""
        if self._loaded < len(self._vectors):
            vector = self._vectors[self._loaded]
            start, regions = self.model.vectors.place(vector, self.node)
            self.load_in_order(vector, vector.words, self.buffers.vectors[self._loaded % 2], start, **of_set(regions))
            self._loaded += 1

    def take(self, name: str) -> int:
        """RX address of the next vector, which is ``name``, when it is there."""
        vector = self._vectors[self._taken]
        if vector.name != name:
            raise ValueError(f"vector {name} is to be used before {vector.name}, which was loaded first")
        self.wait_for(vector)
        self._taken += 1
        return self.buffers.vectors[(self._taken - 1) % 2]

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
    def cache_row(context: int) -> dict[str, int]:
        """MEM fields that pick the lane, bit or element of ``context``'s row of the cache."""
        return {"context": context, "lane_reg": Reg.ROW}
