"""What is asked of one matrix, and what comes of it."""

from dataclasses import dataclass

import numpy as np
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES

from .errors import CompressError

__all__ = ["GROUPS", "METHODS", "PRUNINGS", "MatrixRecipe", "Quantized"]

METHODS = ("rtn", "gptq", "trellis", "bcq")
PRUNINGS = ("magnitude", "wanda", "sparsegpt")
GROUPS = ("row", 32, 64, 128)

@dataclass(frozen=True)
class MatrixRecipe:
    """How to compress a matrix.

    Parameters
    ----------
    bits: 1 to 8 bits of a uniform grid or planes of ``bcq``, or a window code.
    group: columns that share a scale, or ``"row"``.
    method: ``"rtn"`` (nearest), ``"gptq"`` (with error feedback), ``"trellis"`` (window codes; with error feedback if
        there is a Hessian) or ``"bcq"`` (a free scale per plane; likewise).
    sparsity: share of weights that become zero.
    prune: how they are chosen: ``"magnitude"``, ``"wanda"`` or ``"sparsegpt"``; None if sparsity is 0.

    Raises
    ------
    CompressError: a field is out of range or contradicts another.
    """

    bits: int | Code
    group: str | int = "row"
    method: str = "gptq"
    sparsity: float = 0.0
    prune: str | None = None

    def __post_init__(self):
        if self.method not in METHODS:
            raise CompressError(f"method is {self.method!r}, expected one of {', '.join(METHODS)}")
        if self.group not in GROUPS or isinstance(self.group, bool):
            raise CompressError(f"group is {self.group!r}, expected row, 32, 64 or 128")
        if isinstance(self.bits, Code):
            if self.bits not in CODES:
                raise CompressError(f"bits is {self.bits.name}, expected 1 to 8 or a window code")
            if self.method != "trellis":
                raise CompressError(f"bits is {CODES[self.bits].name}, which method {self.method} cannot make; "
                                    "expected method trellis")
        elif not isinstance(self.bits, int) or isinstance(self.bits, bool) or not 1 <= self.bits <= 8:
            raise CompressError(f"bits is {self.bits!r}, expected 1 to 8 or a window code")
        elif self.method == "trellis":
            raise CompressError(f"bits is {self.bits} with method trellis, expected a window code "
                                f"({', '.join(code.name for code in CODES.values())})")
        self._check_pruning()

    def _check_pruning(self) -> None:
        if not 0 <= self.sparsity < 1:
            raise CompressError(f"sparsity is {self.sparsity}, expected 0 or more and less than 1")
        if self.prune is not None and self.prune not in PRUNINGS:
            raise CompressError(f"prune is {self.prune!r}, expected one of {', '.join(PRUNINGS)}")
        if self.sparsity and self.prune is None:
            raise CompressError(f"sparsity is {self.sparsity} but prune is not set, expected one of "
                                f"{', '.join(PRUNINGS)}")
        if self.prune and not self.sparsity:
            raise CompressError(f"prune is {self.prune} but sparsity is 0, expected a share of weights to prune")
        if self.sparsity and self.method == "bcq":
            raise CompressError(f"sparsity is {self.sparsity} with method bcq, whose weights have no zero")
        if self.sparsity and self.bits == 1 and not isinstance(self.bits, Code):
            raise CompressError(f"sparsity is {self.sparsity} with 1 bit, which has no zero; expected 2 bits or more")
        if self.prune == "sparsegpt" and self.method == "rtn":
            raise CompressError("prune is sparsegpt with method rtn, which has no error feedback; expected gptq or "
                                "trellis")

    @property
    def code(self) -> Code:
        """`Code.PLAIN` unless `bits` is a window code."""
        return self.bits if isinstance(self.bits, Code) else Code.PLAIN

    @property
    def odd(self) -> bool:
        """The grid is d (2Q - maximum), Q unsigned; else it is d Q in two's complement.

        With few levels none may go unused; a two's complement grid has the better of small groups, where one weight is
        the extreme, and it can prune.
        """
        if self.code != Code.PLAIN or self.method == "bcq":
            return True
        return not self.sparsity and self.bits <= (3 if self.group == "row" else 2)

    @property
    def needs_hessian(self) -> bool:
        return self.method == "gptq" or self.prune in ("wanda", "sparsegpt")

    def width(self, cols: int) -> int:
        """Columns of a group of a matrix of ``cols`` columns; the last group may be narrower."""
        return cols if self.group == "row" else int(self.group)


@dataclass(frozen=True, eq=False)
class Quantized:
    """A compressed matrix: w = d (2Q - maximum) or d Q, 0 where pruned; `dequantize` has it in full.

    Parameters
    ----------
    recipe: what was asked for.
    rows, cols: size of the matrix.
    codes: window codes: symbols, uint8 [steps, cols]. Uniform grids: Q [rows, cols], uint8 on an odd grid, else int8,
        0 where pruned. BCQ: uint8 [rows, cols], bit i belongs to plane i.
    scale: float16, finite: [rows] or [rows, groups]; BCQ has one more axis, the planes.
    mask: bool [rows, cols], False where pruned; None if nothing is.
    error: Σ e H e' over Σ w H w' with the Hessian (the identity if there was none), e the error of a row.
    mse: Σ e² over Σ w².
    """

    recipe: MatrixRecipe
    rows: int
    cols: int
    codes: np.ndarray
    scale: np.ndarray
    mask: np.ndarray | None
    error: float
    mse: float

    @property
    def maximum(self) -> int:
        """Largest Q of an odd grid."""
        code, bits = self.recipe.code, self.recipe.bits
        return CODES[code].maximum if code in CODES else 1 if self.recipe.method == "bcq" else (1 << bits) - 1

    @property
    def signed(self) -> bool:
        """The codes of a uniform grid are two's complement."""
        return not self.recipe.odd

    @property
    def double(self) -> int:
        """With `zero`, of the product: w = d ((Q << double) + zero)."""
        return int(self.recipe.odd)

    @property
    def zero(self) -> int:
        return -self.maximum if self.recipe.odd else 0
