"""Hyper-parameters of a Llama-family model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from dojang_hdl.config import BLOCK

from .errors import CheckpointError, shown

__all__ = ["LlamaShape"]

TINY, HUGE = 1e-9, 1e38
"""Bounds of what scales angles; what they give stays finite."""

USUAL: dict[str, Callable[["LlamaShape"], Any]] = {
    "key_dim": lambda shape: shape.head_dim, "value_dim": lambda shape: shape.key_dim,
    "rotary_dim": lambda shape: shape.key_dim, "score_scale": lambda shape: 1 / math.sqrt(shape.key_dim),
    "rope_magnitude": lambda shape: 1.0, "rope_factors_long": lambda shape: None,
    "original_context": lambda shape: 0}
"""What most models have; files and names of models leave it out."""


@dataclass(frozen=True)
class LlamaShape:
    """Validated hyper-parameters.

    Parameters
    ----------
    layers, d, heads, kv_heads, ffn, vocab: sizes; ``heads * key_dim`` need not equal ``d``.
    head_dim: elements of a key in the cache: `key_dim` up to a whole block.
    context: positions the model was trained for.
    rms_eps: added to the mean square in RMSNorm.
    rope_base: base of the rotary angles; pairs are adjacent elements (2i, 2i+1).
    tied: the head is the embedding matrix.
    rope_factors: divisors of the rotary frequencies, ``rotary_dim / 2`` of them, or None for all ones.
    key_dim, value_dim: elements of a head's query and key, and of its value: multiples of 4. 0 stands for
        `head_dim` and for `key_dim`.
    rotary_dim: elements at a head's start that are rotated; 0 stands for `key_dim`.
    rope_magnitude: factor of rotated elements.
    score_scale: factor of the scores; 0 stands for ``1 / sqrt(key_dim)``.
    rope_factors_long: the divisors where more than `original_context` positions are reserved, or None for the same.
    original_context: see `rope_factors_long`; 0 without.
    """

    layers: int
    d: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    rms_eps: float = 1e-5
    rope_base: float = 10000.0
    tied: bool = False
    rope_factors: tuple[float, ...] | None = None
    key_dim: int = 0
    value_dim: int = 0
    rotary_dim: int = 0
    rope_magnitude: float = 1.0
    score_scale: float = 0.0
    rope_factors_long: tuple[float, ...] | None = None
    original_context: int = 0

    def __post_init__(self):
        self._fill("key_dim", "value_dim", "rotary_dim")
        for field in ("layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context", "key_dim",
                      "value_dim", "rotary_dim"):
            value = getattr(self, field)
            self._check(isinstance(value, int) and 0 < value < 1 << 31, field, "a positive integer")
        self._check(self.heads % self.kv_heads == 0, "kv_heads", f"a divisor of heads={self.heads}")
        self._check(self.head_dim % BLOCK == 0 and self.head_dim <= 512, "head_dim", "a multiple of 32 up to 512")
        for field in ("key_dim", "value_dim"):
            self._check(getattr(self, field) % 4 == 0 and getattr(self, field) <= 512, field,
                        "a multiple of 4 up to 512")
        self._check(self.head_dim - BLOCK < self.key_dim <= self.head_dim, "key_dim",
                    f"{self.head_dim - BLOCK + 4} to head_dim={self.head_dim}")
        self._check(self.rotary_dim % 2 == 0 and self.rotary_dim <= self.key_dim, "rotary_dim",
                    f"an even number of at most key_dim={self.key_dim}")
        self._check(math.isfinite(self.rms_eps) and self.rms_eps >= 0, "rms_eps", "a number of at least 0")
        self._fill("score_scale")
        for field in ("rope_magnitude", "score_scale"):
            self._check(TINY <= getattr(self, field) <= 1 / TINY, field, f"a number from {TINY:g} to {1 / TINY:g}")
        self._check(TINY <= self.rope_base <= HUGE, "rope_base", f"a number from {TINY:g} to {HUGE:g}")
        for field in ("rope_factors", "rope_factors_long"):
            self._check_factors(field)
        long = self.rope_factors_long is not None
        self._check(isinstance(self.original_context, int) and self.original_context >= long, "original_context",
                    "a positive integer" if long else "an integer of at least 0")

    def _fill(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) == 0:
                object.__setattr__(self, name, USUAL[name](self))

    def _check(self, ok: bool, field: str, expected: str) -> None:
        if not ok:
            raise CheckpointError(f"model has {field}={shown(getattr(self, field))}, expected {expected}")

    def _check_factors(self, field: str) -> None:
        factors: Sequence[float] | None = getattr(self, field)
        if factors is None:
            return
        if len(factors) != self.rotary_dim // 2:
            raise CheckpointError(f"model has {len(factors)} {field}, expected {self.rotary_dim // 2}")
        for factor in factors:
            if not TINY <= factor <= HUGE:
                raise CheckpointError(f"model has {factor!r} among its {field}, expected numbers from {TINY:g} to "
                                      f"{HUGE:g}")

    def stored(self) -> dict[str, Any]:
        """Arguments that make this shape again; what is `USUAL` is left out."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if name not in USUAL or value != USUAL[name](self)}

    def __repr__(self) -> str:
        return f"LlamaShape({', '.join(f'{name}={value!r}' for name, value in self.stored().items())})"

    def at(self, context: int) -> "LlamaShape":
        """The shape with the rotary factors of a session that reserves ``context`` positions."""
        if self.rope_factors_long is None:
            return self
        factors = self.rope_factors_long if context > self.original_context else self.rope_factors
        return replace(self, rope_factors=factors, rope_factors_long=None, original_context=0)

    def messages(self) -> list[str]:
        """What the number of positions that a session reserves changes, a sentence each."""
        if self.rope_factors_long is None:
            return []
        return [f"rotary factors for long texts are used where more than {self.original_context:,} positions are "
                "reserved, those for short ones elsewhere"]

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.heads // self.kv_heads

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V cache one position takes in all layers.

        K is two INT8 terms with an FP16 scale per 32 elements each, V two INT8 terms that share an FP32 scale.
        """
        key, value = 2 * (self.head_dim + 2 * (self.head_dim // BLOCK)), 2 * self.value_dim + 4
        return self.layers * self.kv_heads * (key + value)

    def matrices(self) -> dict[str, tuple[int, int]]:
        """(rows, columns) of a layer's matrices, by name."""
        q, kv = self.heads * self.key_dim, self.kv_heads * self.key_dim
        v, o = self.kv_heads * self.value_dim, self.heads * self.value_dim
        return {"attn_q": (q, self.d), "attn_k": (kv, self.d), "attn_v": (v, self.d), "attn_output": (self.d, o),
                "ffn_gate": (self.ffn, self.d), "ffn_up": (self.ffn, self.d), "ffn_down": (self.d, self.ffn)}
