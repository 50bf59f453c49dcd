"""Weight matrices as integer codes with scales (numerics page, "GEMV", "Window codes" and "Weights")."""

from dataclasses import dataclass, field, replace

import numpy as np

from .errors import CheckpointError
from .form import BLOCK, TURN, Form
from .tensor_types import is_exact


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
        """These are the weights that the checkpoint stores; import has not rounded them."""
        return is_exact(self.source)

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
