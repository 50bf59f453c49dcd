"""Quantises one matrix, with error feedback over a Hessian (GPTQ) or without."""

import numpy as np
from dojang_hdl.window_code import CODES

from .errors import CompressError
from .pruning import kept, kept_by_magnitude, kept_by_wanda
from .quantisers import quantiser
from .recipe import MatrixRecipe, Quantized
from .refit import refit
from .trellis import decode

__all__ = ["dequantize", "quantize_matrix"]

DAMPING = 0.01
"""Of the median diagonal, added to the diagonal."""

BLOCK = 128
"""Columns between two updates of all later columns; sparsegpt chooses what to prune for each block anew."""


def quantize_matrix(weights: np.ndarray, recipe: MatrixRecipe, hessian: np.ndarray | None = None) -> Quantized:
    """Compress a matrix that is already rotated if it is to be.

    Parameters
    ----------
    weights: [rows, cols], finite.
    recipe: how.
    hessian: [cols, cols], mean or sum of the inputs' outer products, symmetric; None where the recipe needs none.

    Raises
    ------
    CompressError: weights or Hessian are not finite, do not fit each other or the recipe, or are beyond FP16 scales.
    """
    weights = _checked(weights)
    rows, cols = weights.shape
    if hessian is None:
        if recipe.needs_hessian:
            name = recipe.method if recipe.method == "gptq" else f"prune {recipe.prune}"
            raise CompressError(f"{name} needs a Hessian, and none was given")
    else:
        hessian = _checked_hessian(hessian, cols)
    sweep = _Sweep(weights, recipe, hessian)
    sweep.run()
    # The scales of the sweep are as FP16 already; those of the refit are rounded here.
    scale = sweep.scale
    if recipe.method != "rtn":
        scale = refit(weights, sweep.levels, sweep.damped.astype(np.float32), scale, sweep.width)
    half = _half(scale)
    difference = weights - _values(sweep.levels, half, sweep.width)
    shape = (rows, *(size for size, drop in ((half.shape[1], recipe.group == "row"),
                                             (half.shape[2], recipe.method != "bcq")) if not drop))
    return Quantized(recipe, rows, cols, sweep.codes, half.reshape(shape), sweep.keep,
                     error=_ratio(difference, weights, hessian), mse=_ratio(difference, weights, None))


def dequantize(quantized: Quantized) -> np.ndarray:
    """float32 [rows, cols]: the weights as the engine has them."""
    recipe, rows, cols = quantized.recipe, quantized.rows, quantized.cols
    codes = quantized.codes
    if recipe.code in CODES:
        codes = decode(recipe.code, codes, rows)
    terms = int(recipe.bits) if recipe.method == "bcq" else 1
    levels = np.stack([codes >> term & 1 for term in range(terms)]) if recipe.method == "bcq" else codes[None]
    levels = (levels.astype(np.float32) * (1 << quantized.double)) + quantized.zero
    if quantized.mask is not None:
        levels *= quantized.mask
    width = recipe.width(cols)
    return _values(levels, quantized.scale.reshape(rows, -1, terms), width)


def _values(levels: np.ndarray, scale: np.ndarray, width: int) -> np.ndarray:
    """float32 [rows, cols] of levels [terms, rows, cols] and scales [rows, groups, terms]."""
    cols = levels.shape[2]
    spread = np.repeat(scale.astype(np.float32), width, axis=1)[:, :cols]
    return np.einsum("trc,rct->rc", levels, spread)


def _half(scale: np.ndarray) -> np.ndarray:
    """Scales [rows, ...] as FP16."""
    with np.errstate(over="ignore"):
        half = scale.astype(np.float16)
    if not np.isfinite(half).all():
        row = np.argwhere(~np.isfinite(half))[0][0]
        raise CompressError(f"row {row} of the weights needs a scale beyond 65504, the largest FP16 number")
    return half


def _ratio(difference: np.ndarray, weights: np.ndarray, hessian: np.ndarray | None) -> float:
    above, below = (float(np.sum((a if hessian is None else a @ hessian) * a, dtype=np.float64))
                    for a in (difference, weights))
    return max(above, 0.0) / below if below > 0 else 0.0


def _checked(weights: np.ndarray) -> np.ndarray:
    if weights.ndim != 2 or not weights.size:
        raise CompressError(f"the weights have shape {weights.shape}, expected rows and columns")
    with np.errstate(over="ignore"):
        weights = np.ascontiguousarray(weights, np.float32)
    wrong = ~np.isfinite(weights)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise CompressError(f"the weight in row {row}, column {column} is {weights[row, column]}, expected finite "
                            "numbers")
    return weights


def _checked_hessian(hessian: np.ndarray, cols: int) -> np.ndarray:
    if hessian.shape != (cols, cols):
        raise CompressError(f"the Hessian has shape {hessian.shape}, expected ({cols}, {cols}) for {cols} columns")
    hessian = np.ascontiguousarray(hessian, np.float32)
    if not np.isfinite(hessian).all():
        raise CompressError("the Hessian holds NaN or infinite numbers")
    if (np.diag(hessian) < 0).any():
        raise CompressError(f"the Hessian has {np.diag(hessian).min():g} on its diagonal, expected no negative number")
    return hessian


def damp(hessian: np.ndarray) -> np.ndarray:
    """float64, positive definite: dead inputs (zero rows) become independent columns without feedback."""
    damped = hessian.astype(np.float64)
    diagonal = np.diag(hessian).astype(np.float64)
    typical = np.median(diagonal) or diagonal.mean() or 1.0
    damped[np.diag_indices_from(damped)] += DAMPING * typical
    return damped


def inverse_factor(damped: np.ndarray) -> np.ndarray:
    """U, upper triangular, float32, with U' U the inverse; raises `CompressError` if it has none."""
    try:
        # With R R' = H and R upper, which is a Cholesky factorisation from the other end, U is R's inverse.
        lower = np.linalg.cholesky(damped[::-1, ::-1])
    except np.linalg.LinAlgError:
        raise CompressError("the Hessian is not positive definite, expected a sum of inputs' outer products") from None
    return _inverse_of_upper(np.ascontiguousarray(lower[::-1, ::-1])).astype(np.float32)


def _inverse_of_upper(matrix: np.ndarray) -> np.ndarray:
    """By halves: a fifth of the work of a general inverse."""
    size = len(matrix)
    if size <= 64:
        return np.triu(np.linalg.inv(matrix))
    half = size // 2
    inverse = np.zeros_like(matrix)
    inverse[:half, :half] = _inverse_of_upper(matrix[:half, :half])
    inverse[half:, half:] = _inverse_of_upper(matrix[half:, half:])
    inverse[:half, half:] = -inverse[:half, :half] @ matrix[:half, half:] @ inverse[half:, half:]
    return inverse


class _Sweep:
    """Leaves `codes`, `levels` [terms, rows, cols], `scale` [rows, groups, terms], `keep`.
    """

    def __init__(self, weights: np.ndarray, recipe: MatrixRecipe, hessian: np.ndarray | None):
        self.weights, self.recipe, self.hessian = weights, recipe, hessian
        self.rows, self.cols = weights.shape
        self.width = recipe.width(self.cols)
        self.damped = damp(hessian) if hessian is not None else np.eye(self.cols)
        self._quantiser = quantiser(recipe)
        # From here on columns are contiguous and in the order of the sweep's slabs: the largest inputs first, so that
        # their errors still have all others to be made up for.
        self._order = np.argsort(-np.diag(self.damped), kind="stable")
        self._slabs = np.ascontiguousarray(weights.T)
        self._keep = None
        steps = -(-self.rows // CODES[recipe.code].steps_rows) if recipe.code in CODES else self.rows
        self._codes = np.empty((self.cols, steps), np.uint8 if recipe.odd else np.int8)
        self._levels = np.empty((self._quantiser.terms, self.cols, self.rows), np.float32)
        self.scale = np.empty((self.rows, -(-self.cols // self.width), self._quantiser.terms))

    @property
    def codes(self) -> np.ndarray:
        return np.ascontiguousarray(self._codes.T)

    @property
    def levels(self) -> np.ndarray:
        return np.ascontiguousarray(self._levels.swapaxes(1, 2))

    @property
    def keep(self) -> np.ndarray | None:
        return None if self._keep is None else np.ascontiguousarray(self._keep.T)

    def run(self) -> None:
        feedback = self.hessian is not None and self.recipe.method != "rtn"
        upper = inverse_factor(self.damped[np.ix_(self._order, self._order)]) if feedback else None
        self._prune(upper)
        for group in range(self.scale.shape[1]):
            part = slice(group * self.width, (group + 1) * self.width)
            keep = None if self._keep is None else self._keep[part]
            self.scale[:, group] = _half(self._quantiser.scale(self._slabs[part], keep, feedback))
            if upper is None:
                self._quantise(part, self._slabs[part])
        if upper is not None:
            self._feed_back(upper)

    def _prune(self, upper: np.ndarray | None) -> None:
        """The mask, of sparsegpt a guess for the scales."""
        recipe, keep = self.recipe, None
        if recipe.prune == "magnitude":
            keep = kept_by_magnitude(self.weights, recipe.sparsity)
        elif recipe.prune == "wanda":
            assert self.hessian is not None
            keep = kept_by_wanda(self.weights, self.hessian, recipe.sparsity)
        elif recipe.prune == "sparsegpt":
            assert upper is not None
            certainty = np.empty(self.cols, np.float32)
            certainty[self._order] = np.diag(upper)
            keep = kept(np.square(self.weights / certainty), round(recipe.sparsity * self.weights.size))
        self._keep = None if keep is None else np.ascontiguousarray(keep.T)

    def _feed_back(self, upper: np.ndarray) -> None:
        slabs = self._slabs[self._order]
        to_prune = round(self.recipe.sparsity * slabs.size)
        for start in range(0, self.cols, BLOCK):
            end = min(start + BLOCK, self.cols)
            if self.recipe.prune == "sparsegpt":
                assert self._keep is not None
                scores = np.square(slabs[start:] / np.diag(upper)[start:, None])
                keep = kept(scores, to_prune)[:end - start]
                self._keep[self._order[start:end]] = keep
                to_prune -= int(keep.size - keep.sum())
            errors = np.empty((end - start, self.rows), np.float32)
            for at in range(start, end):
                slab, column = slabs[at:at + 1], int(self._order[at])
                slab -= upper[start:at, at] @ errors[:at - start]
                weights = self._quantise(slice(column, column + 1), slab)
                errors[at - start] = (slab - weights) / upper[at, at]
            slabs[end:] -= upper[start:end, end:].T @ errors

    def _quantise(self, part: slice, slab: np.ndarray) -> np.ndarray:
        """Quantises columns of a group; their weights, [columns, rows]."""
        scale = self.scale[:, part.start // self.width].astype(np.float32)
        keep = None if self._keep is None else self._keep[part]
        codes, levels = self._quantiser.codes(slab, scale, keep)
        self._codes[part], self._levels[:, part] = codes, levels
        return np.einsum("tcr,rt->cr", levels, scale) if len(levels) > 1 else levels[0] * scale[:, 0]
