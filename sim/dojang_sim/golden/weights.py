"""The integers of a weight matrix (docs/reference/numerics.md: GEMV, Window codes). numpy only."""

import numpy as np

from .engine import PreparedMatrix
from .window import decode

__all__ = ["integers", "prepare"]


def integers(matrix) -> np.ndarray:
    """int16 [rows, products, group], what the scales of a `dojang.checkpoints.Matrix` multiply."""
    form = matrix.form
    q = decode(form.window, matrix.codes)[:matrix.rows] if form.window else matrix.codes.astype(np.int16)
    values = (q << int(form.double)) + np.int16(form.zero)
    if matrix.mask is not None:
        values = np.where(matrix.mask, values, np.int16(0))
    return values.reshape(matrix.rows, -1, form.group)


def prepare(matrix) -> PreparedMatrix:
    """A matrix of a checkpoint for products."""
    form = matrix.form
    return PreparedMatrix(integers(matrix), matrix.scale, matrix.offset, form.rotated, form.terms)
