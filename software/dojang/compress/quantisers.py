"""Quantisers of a slab of columns, as the sweep of `dojang.compress.gptq` uses them.

Slabs are [columns, rows], float32: a column of the matrix is contiguous.
"""

import math
from typing import Protocol

import numpy as np
from dojang_hdl.window_code import CODES

from .recipe import MatrixRecipe
from .trellis import GAIN, MSE, encoder

__all__ = ["Bcq", "Quantiser", "Trellis", "Uniform", "quantiser"]

SCALES_TRIED = np.linspace(0.25, 1, 24, dtype=np.float32)
"""Of the scale at which nothing is clipped."""

COVERS_TRIED = np.geomspace(0.6, 4, 30, dtype=np.float32)
"""Of the scale that suits a Gaussian."""

HEADROOM = np.float32(1.1)
"""Error feedback widens what a window code has to reach; beyond its range an error cannot be made up for."""

BCQ_ROUNDS = 10


def to_half(scale: np.ndarray) -> np.ndarray:
    """Rounded to FP16, float32; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return scale.astype(np.float16).astype(np.float32)


class Quantiser(Protocol):
    """Chooses the scales of a group, then the codes of its columns."""

    terms: int

    def scale(self, slab: np.ndarray, keep: np.ndarray | None, feedback: bool) -> np.ndarray:
        """Scales [rows, terms] for a group's columns, FP16 values; weights where ``keep`` is False do not count.

        ``feedback``: what is quantised will be these weights plus what earlier columns ask for.
        """
        ...

    def codes(self, slab: np.ndarray, scale: np.ndarray, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Codes of some columns and the levels [terms, columns, rows], which times the scales are the weights."""
        ...


class Uniform:
    """A grid of 2^bits levels, odd (d (2Q - maximum)) or two's complement (d Q)."""

    terms = 1

    def __init__(self, bits: int, odd: bool):
        self.bits, self.odd = bits, odd

    def scale(self, slab: np.ndarray, keep: np.ndarray | None, feedback: bool) -> np.ndarray:
        slab = slab if keep is None else slab * keep
        extreme = np.take_along_axis(slab, np.abs(slab).argmax(axis=0)[None], axis=0)[0]
        # The most negative code is the largest: a scale with the extreme's opposite sign reaches it.
        whole = np.abs(extreme) / ((1 << self.bits) - 1) if self.odd else -extreme / (1 << self.bits - 1)
        best, chosen = np.full(len(whole), np.inf, np.float32), to_half(whole)
        for share in SCALES_TRIED:
            scale = to_half(share * whole)
            _, levels = self.codes(slab, scale[:, None], keep)
            with np.errstate(invalid="ignore"):  # an infinite scale is never better, and reported if it stays
                error = np.square(slab - levels[0] * scale).sum(axis=0)
            chosen = np.where(error < best, scale, chosen)
            best = np.minimum(error, best)
        return chosen[:, None]

    def codes(self, slab: np.ndarray, scale: np.ndarray, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        d = scale[:, 0]
        wanted = slab * np.divide(1, d, out=np.zeros_like(d), where=d != 0)
        if self.odd:
            top = (1 << self.bits) - 1
            codes = np.clip(np.rint((wanted + top) * np.float32(0.5)), 0, top)
            levels = 2 * codes - top
        else:
            levels = codes = np.clip(np.rint(wanted), -(1 << self.bits - 1), (1 << self.bits - 1) - 1)
        if keep is not None:
            levels = codes = codes * keep
        return codes.astype(np.uint8 if self.odd else np.int8), levels[None]


class Trellis:
    """A window code; the codes of a column are its symbols."""

    terms = 1

    def __init__(self, recipe: MatrixRecipe):
        self._encoder, self._code = encoder(recipe.code), CODES[recipe.code]
        self._gain, self._mse = GAIN[recipe.code], MSE[recipe.code]

    def scale(self, slab: np.ndarray, keep: np.ndarray | None, feedback: bool) -> np.ndarray:
        """The best of some multiples of a Gaussian's scale: error inside the range grows as d², outside as what is
        cut off squared, weighted such that a Gaussian gets its own scale.

        With half of the weights pruned a column reaches nearly every level it likes: what is left is rounding, d² / 3.
        """
        slab = np.abs(slab if keep is None else slab * keep)
        count = len(slab) if keep is None else np.maximum(keep.sum(axis=0), 1)
        freedom = 0.0 if keep is None else min(2 * (1 - keep.mean()), 1.0)
        inside = self._mse / self._gain**2
        end = self._gain * self._code.maximum  # in standard deviations, and two tails
        cut = 4 * (math.exp(-end * end / 2) / math.sqrt(2 * math.pi) - end * math.erfc(end / math.sqrt(2)) / 2)
        beyond = 2 * inside * self._gain / self._code.maximum / cut
        inside, beyond = inside + freedom * (1 / 3 - inside), beyond + freedom * (1 - beyond)
        unit = self._gain * np.sqrt(np.square(slab).sum(axis=0) / count)
        best, chosen = np.full(len(unit), np.inf, np.float32), unit
        for cover in COVERS_TRIED:
            scale = cover * unit
            outside = np.square(np.maximum(slab - self._code.maximum * scale, 0)).sum(axis=0)
            error = inside * count * scale**2 + beyond * outside
            chosen = np.where(error < best, scale, chosen)
            best = np.minimum(error, best)
        return to_half(chosen * HEADROOM if feedback else chosen)[:, None]

    def codes(self, slab: np.ndarray, scale: np.ndarray, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        symbols, q = self._encoder.encode(slab.T, scale[:, 0], None if keep is None else keep.T)
        levels = 2 * q.T.astype(np.float32) - self._code.maximum
        return symbols.T, (levels if keep is None else levels * keep)[None]


class Bcq:
    """Planes of signs, each with a scale of its own."""

    def __init__(self, planes: int):
        self.terms = planes
        signs = np.arange(1 << planes)[:, None] >> np.arange(planes) & 1
        self._signs = (2 * signs - 1).astype(np.float32)

    def scale(self, slab: np.ndarray, keep: np.ndarray | None, feedback: bool) -> np.ndarray:
        """Greedy, plane by plane; then least squares and nearest signs in turns."""
        rest, scale = slab.copy(), np.empty((slab.shape[1], self.terms), np.float32)
        for plane in range(self.terms):
            scale[:, plane] = np.abs(rest).mean(axis=0)
            rest -= np.where(rest < 0, -1, 1) * scale[:, plane]
        for _ in range(BCQ_ROUNDS):
            _, levels = self.codes(slab, scale, keep)
            gram = np.einsum("pcr,qcr->rpq", levels, levels, optimize=True).astype(np.float64)
            gram += 1e-3 * np.eye(self.terms)  # planes may be alike
            wanted = np.einsum("pcr,cr->rp", levels, slab, optimize=True) + 1e-3 * scale
            scale = np.linalg.solve(gram, wanted[:, :, None].astype(np.float64))[:, :, 0].astype(np.float32)
        return to_half(scale)

    def codes(self, slab: np.ndarray, scale: np.ndarray, keep: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        values = scale @ self._signs.T  # [rows, combinations]
        order = np.argsort(values, axis=1, kind="stable").astype(np.uint8)
        values = np.take_along_axis(values, order.astype(np.intp), axis=1)
        at = np.zeros(slab.shape, np.intp)
        for lower, upper in zip(values.T[:-1], values.T[1:], strict=True):
            at += slab > (lower + upper) * np.float32(0.5)
        codes = np.take_along_axis(order, at.T, axis=1).T
        return codes, np.moveaxis(self._signs[codes], 2, 0)


def quantiser(recipe: MatrixRecipe) -> Quantiser:
    """The one a recipe asks for."""
    if recipe.method == "trellis":
        return Trellis(recipe)
    return Bcq(int(recipe.bits)) if recipe.method == "bcq" else Uniform(int(recipe.bits), recipe.odd)
