"""Rules that a model computes by, as values; `ModelShape` is made of them (numerics.md: Forward pass)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from .errors import CheckpointError, shown

__all__ = ["Activation", "LayerKind", "Norm", "QKNorm", "Rotation", "require"]

TINY, LARGE, HUGE = 1e-9, 1e9, 1e38
"""Bounds of factors, and of what divides angles; what they give stays finite."""

WINDOW_LIMIT = 1 << 20


class Activation(StrEnum):
    """Function of the feed-forward part."""

    SILU = "silu"
    GELU_TANH = "gelu_tanh"
    GELU_ERF = "gelu_erf"


class QKNorm(StrEnum):
    """Over what queries and keys are normalised before their rotation, by root mean square."""

    NONE = "none"
    HEAD = "head"
    VECTOR = "vector"   # all heads together


def require(ok: bool, field: str, value: Any, expected: str) -> None:
    """Raise `CheckpointError` unless ``ok``."""
    if not ok:
        raise CheckpointError(f"model has {field}={shown(value)}, expected {expected}")


@dataclass(frozen=True)
class Norm:
    """Normalisation of vectors: all those of a model but the ones of queries and keys, which are never centred.

    Parameters
    ----------
    eps: added to the mean square.
    centred: the mean is taken off first (LayerNorm); root mean square only (RMSNorm) else.
    bias: a vector is added behind the gain.
    """

    eps: float = 1e-5
    centred: bool = False
    bias: bool = False

    def __post_init__(self):
        require(math.isfinite(self.eps) and self.eps >= 0, "norm.eps", self.eps, "a number of at least 0")


@dataclass(frozen=True)
class Rotation:
    """Rotary embedding; pairs are adjacent elements (2i, 2i+1), whatever the file has.

    Parameters
    ----------
    base: of the angles.
    dim: elements at a head's start that are rotated; 0 stands for all of a key.
    factors: divisors of the frequencies, ``dim / 2`` of them, or None for all ones.
    magnitude: factor of rotated elements.
    factors_long: the divisors where more than `original_context` positions are reserved, or None for the same.
    original_context: see `factors_long`; 0 without.
    """

    base: float = 10000.0
    dim: int = 0
    factors: tuple[float, ...] | None = None
    magnitude: float = 1.0
    factors_long: tuple[float, ...] | None = None
    original_context: int = 0

    def of_keys(self, key_dim: int) -> "Rotation":
        """The same with `dim` set, checked for keys of ``key_dim`` elements."""
        dim = self.dim or key_dim
        require(isinstance(dim, int) and 0 < dim <= key_dim and dim % 2 == 0, "rotation.dim", dim,
                f"an even number of at most key_dim={key_dim}")
        require(TINY <= self.base <= HUGE, "rotation.base", self.base, f"a number from {TINY:g} to {HUGE:g}")
        require(TINY <= self.magnitude <= LARGE, "rotation.magnitude", self.magnitude,
                f"a number from {TINY:g} to {LARGE:g}")
        for field in ("factors", "factors_long"):
            self._check_factors(field, getattr(self, field), dim // 2)
        long = self.factors_long is not None
        require(isinstance(self.original_context, int) and self.original_context >= long, "rotation.original_context",
                self.original_context, "a positive integer" if long else "an integer of at least 0")
        return replace(self, dim=dim)

    @staticmethod
    def _check_factors(field: str, factors: Sequence[float] | None, count: int) -> None:
        if factors is None:
            return
        if len(factors) != count:
            raise CheckpointError(f"model has {len(factors)} rotation.{field}, expected {count}")
        for factor in factors:
            if not TINY <= factor <= HUGE:
                raise CheckpointError(f"model has {factor!r} among its rotation.{field}, expected numbers from "
                                      f"{TINY:g} to {HUGE:g}")

    def at(self, context: int) -> "Rotation":
        """With the factors of a session that reserves ``context`` positions."""
        if self.factors_long is None:
            return self
        factors = self.factors_long if context > self.original_context else self.factors
        return replace(self, factors=factors, factors_long=None, original_context=0)


@dataclass(frozen=True)
class LayerKind:
    """What layers of one model differ in.

    Parameters
    ----------
    rotation: of queries and keys, or None for none.
    window: positions that a query sees, its own the last of them; 0 for all before.
    """

    rotation: Rotation | None = Rotation()
    window: int = 0

    def __post_init__(self):
        require(isinstance(self.window, int) and 0 <= self.window <= WINDOW_LIMIT, "window", self.window,
                f"an integer from 0 to {WINDOW_LIMIT}")

    def at(self, context: int) -> "LayerKind":
        """As a session of ``context`` positions needs it: a window that never cuts is none."""
        return LayerKind(self.rotation and self.rotation.at(context), self.window if self.window < context else 0)
