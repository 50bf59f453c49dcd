"""Vector commands for the benches: a machine that executes them by the golden model, and where they come from."""

from random import Random

import numpy as np
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round
from dojang_hdl.vector import VecCommand

from ..golden.vector import VectorOp, execute

__all__ = ["CORNERS", "RX", "VectorMachine", "command_bits", "random_command", "random_patterns"]

RX = 0x8000
"""First word address of the RX bank."""

CORNERS = (
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007FFFFF, 0x807FFFFF, 0x00800000, 0x80800000, 0x3F800000,
    0xBF800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF,
    0x42FE0000, 0xC2FE0000, 0x42FF0000, 0x477FE000, 0x477FF000, 0x33800000, 0x38800000, 0xC2FC0000, 0x43000000,
)
"""Zeros, denormals, smallest and largest numbers, infinities, NaNs, and the edges of the conversions and of exp2."""

_ENUMS = {"mul": Mul, "add": Add, "fn": Fn, "mul2": Mul2, "round": Round, "reduce": Reduce}


def command_bits(command: dict[str, int]) -> int:
    """A command's payload; missing fields are 0."""
    return VecCommand.const(command).as_value().value


class VectorMachine:
    """Two SRAM banks of ``words`` words and the scalar file, as the program sees them.

    ``banks``: uint32 [2, words * 4]; ``scalars``: 16 patterns, None where nothing was written yet; ``saturated``: the
    last command has clipped something.
    """

    def __init__(self, words: int, banks=None):
        self.words = words
        self.banks = np.zeros((2, words * 4), np.uint32) if banks is None else np.array(banks, np.uint32)
        self.scalars: list[int | None] = [None] * 16
        self.saturated = False

    def word(self, address: int) -> int:
        """One 128-bit word."""
        at = address % self.words * 4
        return int.from_bytes(self.banks[address >> 15, at:at + 4].astype("<u4").tobytes(), "little")

    def write(self, address: int, data: int, mask: int) -> None:
        """A write to the LOCAL bank."""
        for lane in range(4):
            if mask >> lane & 1:
                self.banks[0, address % self.words * 4 + lane] = data >> 32 * lane & 0xFFFFFFFF

    def _operand(self, address, n):
        at = np.arange(n) + address % self.words * 4
        return self.banks[address >> 15, at % (self.words * 4)]

    def fill(self, address: int, patterns: list[int]) -> None:
        """Elements from outside, from word ``address`` on."""
        at = address % self.words * 4
        self.banks[address >> 15, at:at + len(patterns)] = patterns

    def execute(self, command: dict[str, int]) -> None:
        """What is in SRAM and in the scalar file after ``command``."""
        def get(name):
            return int(command.get(name, 0))

        op = VectorOp(
            **{name: kind(get(name)).name for name, kind in _ENUMS.items()}, imm0=get("imm0"), imm1=get("imm1"),
            **{name: bool(get(name)) for name in ("swap", "a_scalar", "pad32")})
        n = get("n")
        results, scalar, clipped = execute(
            op, self._operand(get("a"), n + n % 2), self._operand(get("b"), n), s=self.scalars[get("s")] or 0,
            s_a=self.scalars[get("s_a")] or 0, n=n)
        self.saturated = clipped > 0
        if get("store"):
            self.banks[0, (np.arange(len(results)) + get("d") % self.words * 4) % (self.words * 4)] = results
        if scalar is not None:
            self.scalars[get("s_out")] = int(scalar)


def random_patterns(rng: Random, count: int, everyday: float = 0.7) -> list[int]:
    """FP32 patterns: numbers of everyday size (that share of them), any bits, and corners."""
    def one():
        kind = rng.random()
        if kind < everyday:
            return int(np.float32(rng.gauss(0, 1) * 2.0 ** rng.randint(-6, 6)).view(np.uint32))
        return rng.getrandbits(32) if rng.random() < 0.5 else rng.choice(CORNERS)
    return [one() for _ in range(count)]


def random_command(rng: Random, machine: VectorMachine, counts) -> dict[str, int]:
    """A command that only reads scalars that exist; its destination leaves its first and last word of SRAM alone."""
    n = rng.choice(counts)
    words = (n + 31) // 32 * 8 + 1
    known = [index for index, value in enumerate(machine.scalars) if value is not None]

    def place():
        return rng.randrange(1, machine.words - words)

    d = place()

    def operand():
        if rng.random() < 0.25:
            return d
        at = place()
        return at if rng.random() < 0.5 and abs(at - d) > words else at | RX  # no result is read as an operand

    a, b = operand(), operand()
    command = {name: int(rng.choice(list(kind))) for name, kind in _ENUMS.items()}
    if command["round"] == Round.INT8:
        command["reduce"] = Reduce.NONE
    for name in ("swap", "a_scalar", "pad32"):
        command[name] = rng.random() < 0.25
    command["store"] = rng.random() < 0.85
    imm0, imm1 = random_patterns(rng, 2, everyday=0.9)
    if rng.random() < 0.15:  # a fresh number for the scalar file
        command |= {"n": 1, "mul": Mul.IMM, "add": Add.ZERO, "round": Round.NONE,
                    "reduce": rng.choice((Reduce.SUM, Reduce.MAX))}
    if known:
        s, s_a = rng.choice(known), rng.choice(known)
    else:
        s = s_a = 0
        command["a_scalar"] = False
        for name, kind in (("mul", Mul), ("add", Add), ("mul2", Mul2)):
            if command[name] == kind.S:
                command[name] = kind.B
    return {"n": n} | command | {"a": a, "b": b, "d": d, "imm0": imm0, "imm1": imm1, "s": s, "s_a": s_a,
                      "s_out": rng.randrange(16)}
