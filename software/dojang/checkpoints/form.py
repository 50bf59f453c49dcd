"""How integer codes stand for weights (numerics page, "GEMV" and "Window codes")."""

from dataclasses import dataclass

from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES, WindowCode

from .errors import CheckpointError

BLOCK = 32
"""Columns of a block; a group, the columns that share scale and exponent, is 1, 2 or 4 of them."""

GROUPS = (BLOCK, 2 * BLOCK, 4 * BLOCK)

TURN = 64
"""Columns of a Walsh-Hadamard transform."""

RANGE = 1 << 13
"""Of the largest integer that a scale multiplies, times the columns of a group: the engine's sums have this room."""


@dataclass(frozen=True)
class Form:
    """How codes stand for weights: weight = scale * ((Q << double) + zero) (+ offset).

    Parameters
    ----------
    bits: planes of Q, 1 to 8; those of the code if there is one.
    signed: Q is two's complement.
    code: what codes are: Q itself, or the symbols that a window code makes it from.
    group: columns that share scale and exponent: 32, 64 or 128.
    row_scale: one scale a row instead.
    rotated: of weights times H / 8, for activations times H / 8 (groups of 64 or 128).
    double, zero: see above.
    terms: Q of each group, one after the other, each with a scale; the weight is their sum.

    Raises
    ------
    CheckpointError: there is no such form, or its sums are beyond the engine's.
    """

    bits: int
    signed: bool = False
    code: Code = Code.PLAIN
    group: int = BLOCK
    row_scale: bool = False
    rotated: bool = False
    double: bool = False
    zero: int = 0
    terms: int = 1

    def __post_init__(self):
        def check(ok, expected):
            if not ok:
                raise CheckpointError(f"weights of the form {self!r}, expected {expected}")

        check(1 <= self.bits <= 8, "1 to 8 bits")
        check(self.group in GROUPS, f"groups of {', '.join(map(str, GROUPS))}")
        check(not self.rotated or self.group >= TURN, f"rotated groups of at least {TURN}")
        check(1 <= self.terms <= 8 and (self.terms == 1 or not (self.window or self.row_scale)),
              "1 to 8 terms, and one with a window code or a scale a row")
        check(-512 <= self.zero < 512, "zero from -512 to 511")
        if self.window:
            check((self.bits, self.signed) == (self.window.planes, False),
                  f"{self.window.planes} unsigned bits with {self.window.name}")
        check(self.largest * self.group <= RANGE, f"integers of at most {RANGE // self.group} in such groups")

    @property
    def largest(self) -> int:
        """Largest magnitude of (Q << double) + zero."""
        low, high = (-(1 << self.bits - 1), (1 << self.bits - 1) - 1) if self.signed else (0, (1 << self.bits) - 1)
        if self.window:
            high = self.window.maximum
        return max(abs((q << int(self.double)) + self.zero) for q in (low, high))

    def __str__(self) -> str:
        """``X3, groups of 64, rotated, a scale a row``: as messages and tables say it."""
        words = [self.window.name if self.window else f"{self.bits} bits"]
        words += [f"{self.terms} terms"] if self.terms > 1 else []
        words += [f"groups of {self.group}"]
        words += ["rotated"] if self.rotated else []
        words += ["a scale a row"] if self.row_scale else []
        return ", ".join(words)

    @property
    def window(self) -> WindowCode | None:
        """The window code, if there is one."""
        return CODES.get(self.code)

    @property
    def symbol_bits(self) -> int:
        """Bits of an element of the codes."""
        return self.window.step_bits if self.window else self.bits

    @property
    def step_rows(self) -> int:
        """Rows that a step, an element of the codes, stands for."""
        return self.window.steps_rows if self.window else 1
