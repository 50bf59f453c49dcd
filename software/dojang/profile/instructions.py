"""Instructions of a program, as a pass executes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from dojang_hdl import isa
from dojang_hdl.config import BLOCK, WORD_BYTES
from dojang_hdl.isa import INSTRUCTION_WORDS, Context, Op

from ..compile import Phase, Program
from ..compile.program import COUNT_LIMIT

__all__ = ["Instruction", "decode"]


@dataclass(frozen=True)
class Instruction:
    """``n`` is resolved; ``fields`` are those of its formats, as the program has them."""

    op: Op
    n: int
    fields: dict[str, int]
    phase: Phase

    @cached_property
    def name(self) -> str:
        """Opcode, and what tells it from its neighbours."""
        match self.op:
            case Op.STREAM:
                return f"STREAM {isa.Stream(self.fields['stream']).name.lower()}"
            case Op.WAIT:
                return f"WAIT {self.fields['tag']}"
            case Op.VEC:
                steps = (("mul", isa.Mul), ("add", isa.Add), ("fn", isa.Fn), ("mul2", isa.Mul2), ("round", isa.Round),
                         ("reduce", isa.Reduce))
                used = (f"{step} {kind(self.fields[step]).name}" for step, kind in steps if self.fields[step])
                return " ".join(("VEC", *used))
        return self.op.name

    @property
    def plane_bits(self) -> int:
        """Bits of weights that a GEMV applies, once for every vector that it applies them to."""
        if self.op is not Op.GEMV:
            return 0
        f = self.fields
        rows, groups = (f["rows"], self.n) if f["n_is_groups"] else (self.n, f["groups"])
        return rows * groups * (BLOCK << f["blocks"]) * f["bits"] * (f["contexts"] + 1)


def decode(program: Program, contexts: Sequence[Context]) -> list[Instruction]:
    """The instructions up to END that do something, with counts as they are in a pass of ``contexts``."""
    registers = [context.registers() for context in contexts]
    raw, found = program.text.tobytes(), []
    for index, phase in enumerate(program.phases):
        at = index * INSTRUCTION_WORDS * WORD_BYTES
        low, high = (int.from_bytes(raw[word:word + WORD_BYTES], "little") for word in (at, at + WORD_BYTES))
        head = isa.unpack(isa.HEAD, low)
        op = Op(head["op"])
        fields = head | (isa.unpack(isa.FORMATS[op], high) if op in isa.FORMATS else {})
        n = _count(head, registers[head["context"]])
        if op is Op.END or (op is not Op.NOP and n):
            found.append(Instruction(op, n, fields, phase))
    return found


def _count(head: dict[str, int], registers: dict[int, int]) -> int:
    steps = max(registers[head["n_reg"]] + head["n_bias"], 0) >> head["n_shift"]
    return (head["n_base"] + min(steps, head["n_max"]) * head["n_mul"]) % (COUNT_LIMIT + 1)
