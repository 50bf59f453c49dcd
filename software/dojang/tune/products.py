"""Products with frozen codes, differentiable in the factors of their scales."""

from typing import Any

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  (an optional extra)
from dojang_sim.golden.weights import integers
from torch.nn import functional  # pyright: ignore[reportMissingImports]

from ..checkpoints import Matrix
from ..checkpoints.form import TURN

__all__ = ["Fixed", "Scaled", "Tensor", "spread"]

Tensor = Any  # torch's is unknown where the extra is not installed


class Fixed:
    """A product with the float weights [rows, cols] of a matrix."""

    def __init__(self, weights: np.ndarray, dtype: Any):
        self.form = weights.shape[1], False
        self.weights = torch.from_numpy(np.array(weights)).to(dtype)

    def __call__(self, x: Tensor, factor: Tensor | None) -> Tensor:
        return (x @ self.weights.T).float()


class Scaled:
    """A product with the integers of a matrix, which bfloat16 has exactly, and scales that are trained.

    `form`: what its input is spread to.
    """

    def __init__(self, matrix: Matrix, dtype: Any):
        self.form, self.rows = (matrix.width, matrix.form.rotated), matrix.rows
        self.by_row, self.terms = matrix.form.row_scale, matrix.form.terms
        weights = torch.from_numpy(integers(matrix)).to(dtype)
        self.weights = weights.reshape(matrix.rows, -1) if self.by_row else weights
        self.scale = torch.from_numpy(matrix.scale.astype(np.float32))
        self.offset = None if matrix.offset is None else torch.from_numpy(matrix.offset.astype(np.float32))

    def __call__(self, x: Tensor, factor: Tensor | None) -> Tensor:
        scale = self.scale if factor is None else self.scale * factor.reshape(self.scale.shape)
        if self.by_row:
            return (x @ self.weights.T).float() * scale
        weights = self.weights.float() * scale[:, :, None]
        if self.terms > 1:
            weights = weights.reshape(self.rows, -1, self.terms, weights.shape[-1]).sum(2)
        if self.offset is not None:
            weights = weights + self.offset[:, :, None]
        return (x @ weights.reshape(self.rows, -1).to(x.dtype).T).float()


def spread(x: Tensor, width: int, rotated: bool) -> Tensor:
    """Inputs [tokens, cols] filled up to ``width`` columns and, if so, rotated, as a `Scaled` product reads them."""
    x = functional.pad(x, (0, width - x.shape[-1])) if width > x.shape[-1] else x
    return (x.reshape(-1, TURN) @ _walsh()).reshape(x.shape) if rotated else x


def _walsh() -> Tensor:
    index = np.arange(TURN)
    odd = np.bitwise_count(index[:, None] & index) & 1
    return torch.from_numpy(np.where(odd, np.float32(-1 / 8), np.float32(1 / 8)))
