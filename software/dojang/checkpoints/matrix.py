"""Weight matrices as integer codes with scales (numerics page, "GEMV", "Window codes" and "Weights")."""

from dataclasses import dataclass, field, replace

import numpy as np
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

BYTES_PER_BLOCK = {"Q4_0": 18, "Q4_1": 20, "Q8_0": 34}
FLOAT_TYPES = ("F32", "F16", "BF16")
SUPPORTED_TYPES = (*FLOAT_TYPES, *BYTES_PER_BLOCK)


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


@dataclass(frozen=True, eq=False)
class Matrix:
    """One weight matrix.

    Parameters
    ----------
    name: tensor name, for messages.
    rows, cols: size of the matrix.
    codes: [rows, blocks, 32], int8 if `signed` else uint8; columns from `cols` on are zero codes. Of a window code
        [steps, blocks, 32] uint8 symbols. Blocks are in the order of group, term, block of the group.
    form: what the codes mean.
    scale: float16 [rows, groups * terms], or [rows] with `row_scale`; finite.
    offset: float16 [rows, groups], finite, or None.
    source: type the checkpoint stores, e.g. ``"Q4_1"`` or ``"F16"``; ``"scale set"`` with scales of one.
    mask: bool [rows, blocks, 32], False where the weight is zero whatever its code, or None. Window codes only, and
        around zero: 2Q - Qmax.

    Raises
    ------
    CheckpointError: mask or offset do not go with the form.
    """

    name: str
    rows: int
    cols: int
    codes: np.ndarray = field(repr=False)
    form: Form
    scale: np.ndarray = field(repr=False)
    offset: np.ndarray | None = field(repr=False)
    source: str
    mask: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        form, window = self.form, self.form.window
        if self.mask is not None and not (window and (form.double, form.zero) == (True, -window.maximum)):
            raise CheckpointError(f"tensor {self.name} has a mask and the form {form!r}, expected a window code with "
                                  "weights around zero")
        if self.offset is not None and (window or form.row_scale or form.terms > 1):
            raise CheckpointError(f"tensor {self.name} has offsets and the form {form!r}, expected plain codes with a "
                                  "scale a group")

    @property
    def bits(self) -> int:
        return self.form.bits

    @property
    def signed(self) -> bool:
        return self.form.signed

    @property
    def blocks(self) -> int:
        """Blocks of 32 columns, every term counted."""
        return self.codes.shape[1]

    @property
    def groups(self) -> int:
        """Groups of columns."""
        return self.blocks * BLOCK // self.form.group // self.form.terms

    @property
    def width(self) -> int:
        """Columns of whole groups."""
        return self.groups * self.form.group

    def with_scale(self, scale: np.ndarray) -> "Matrix":
        """The same codes with the scales of a scale set."""
        return replace(self, scale=scale, source="scale set")

    @property
    def stored_exactly(self) -> bool:
        """The checkpoint stores these codes and scales, not floats that import has quantised."""
        return self.source in BYTES_PER_BLOCK

    @property
    def stored_bytes(self) -> int:
        """Bytes of codes, masks, scales and offsets, padding columns included."""
        codes = self.codes.shape[0] * self.blocks * self.form.symbol_bits * BLOCK // 8
        masks = 0 if self.mask is None else self.rows * self.blocks * BLOCK // 8
        return codes + masks + 2 * (self.scale.size + (0 if self.offset is None else self.offset.size))

    @property
    def bits_per_weight(self) -> float:
        """All-in: codes, masks, scales, offsets and padding columns, over real weights."""
        return self.stored_bytes * 8 / (self.rows * self.cols)

    def dequantize(self) -> np.ndarray:
        """float32 [rows, cols], as GGUF computes the types it has; in the columns' own basis if `rotated`."""
        from dojang_sim.golden.weights import integers

        values = integers(self).astype(np.float32)
        scale = self.scale[:, None] if self.form.row_scale else self.scale
        weights = values * scale.astype(np.float32)[:, :, None]
        if self.offset is not None:
            weights += self.offset.astype(np.float32)[:, :, None]
        if self.form.terms > 1:
            weights = weights.reshape(self.rows, self.groups, self.form.terms, -1).sum(axis=2)
        if self.form.rotated:
            index = np.arange(TURN)
            turn = np.where(np.bitwise_count(index[:, None] & index) & 1, np.float32(-1 / 8), np.float32(1 / 8))
            weights = weights.reshape(self.rows, -1, TURN) @ turn
        return weights.reshape(self.rows, -1)[:, :self.cols]


def from_blocks(name: str, raw: np.ndarray, source: str) -> Matrix:
    """Take a block-quantised matrix over without loss; ``raw`` is uint8 [rows, bytes of a row] of whole blocks."""
    rows, size = raw.shape
    blocks = raw.reshape(rows, size // BYTES_PER_BLOCK[source], BYTES_PER_BLOCK[source])
    scale, offset = _halves(blocks, 0), None
    if source == "Q8_0":
        codes, bits, signed = np.ascontiguousarray(blocks[:, :, 2:]).view(np.int8), 8, True
    else:
        if source == "Q4_1":
            offset = _halves(blocks, 2)
        nibbles = blocks[:, :, -16:]
        codes, bits, signed = np.empty((rows, blocks.shape[1], BLOCK), np.uint8), 4, False
        np.bitwise_and(nibbles, 15, out=codes[:, :, :16])
        np.right_shift(nibbles, 4, out=codes[:, :, 16:])
        if source == "Q4_0":
            codes = codes.view(np.int8)
            codes -= 8
            signed = True
    _check_finite(name, scale, offset)
    return Matrix(name, rows, blocks.shape[1] * BLOCK, codes, Form(bits, signed), scale, offset, source)


def quantize(name: str, weights: np.ndarray, source: str, bits: int = 8) -> Matrix:
    """Quantise a float matrix to groups of 32 columns with one FP16 scale (symmetric, signed)."""
    rows, cols = weights.shape
    groups, limit = -(-cols // BLOCK), (1 << bits - 1) - 1
    codes, scale = np.empty((rows, groups, BLOCK), np.int8), np.empty((rows, groups), np.float16)
    for start in range(0, rows, 1024):  # bounds the float64 temporaries
        part = np.zeros((min(1024, rows - start), groups * BLOCK))
        part[:, :cols] = weights[start:start + 1024]
        if not np.isfinite(part).all():
            raise CheckpointError(f"tensor {name} holds NaN or infinite weights")
        part = part.reshape(len(part), groups, BLOCK)
        with np.errstate(over="ignore"):
            d = (np.abs(part).max(axis=2) / limit).astype(np.float16)
        divisor = np.where(d == 0, np.inf, d.astype(np.float64))
        codes[start:start + 1024] = np.clip(np.rint(part / divisor[:, :, None]), -limit, limit)
        scale[start:start + 1024] = d
    _check_finite(name, scale, None)
    return Matrix(name, rows, cols, codes, Form(bits, signed=True), scale, None, source)


def _halves(blocks: np.ndarray, at: int) -> np.ndarray:
    return np.ascontiguousarray(blocks[:, :, at:at + 2]).view(np.float16)[:, :, 0]


def _check_finite(name: str, scale: np.ndarray, offset: np.ndarray | None) -> None:
    if not np.isfinite(scale).all() or (offset is not None and not np.isfinite(offset).all()):
        raise CheckpointError(f"tensor {name} holds a NaN or infinite scale")
