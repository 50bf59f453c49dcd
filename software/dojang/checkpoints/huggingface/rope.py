"""Rotary embedding: what a config says of it, as GGUF's keys and factors of frequencies."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import CheckpointError, UnsupportedError, named, shown
from .config import Config

__all__ = ["SCALINGS", "rope_keys"]

Found = tuple[dict[str, Any], dict[str, np.ndarray]]

BASE, PART, TYPES = ("rope_theta",), ("partial_rotary_factor",), ("rope_type", "type")
ORIGINAL = ("original_max_position_embeddings",)

SCALINGS: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "yarn": ("factor", *ORIGINAL, "attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow", "truncate"),
    "llama3": ("factor", *ORIGINAL, "low_freq_factor", "high_freq_factor"),
    "longrope": ("factor", *ORIGINAL, "attention_factor", "short_factor", "long_factor"),
}
"""Kinds of scaling, and what each is told besides the base and the rotated part."""

LOCAL = "rope_local_base_freq"
"""Base of layers with a window, where they have one of their own."""

SAME = {"su": "longrope"}

INERT = ("finetuned", "short_mscale", "long_mscale")
"""What a scaling may name without effect."""

LAYERS = ("full_attention", "sliding_attention")
"""Kinds of layers that may have parameters of their own."""


def rope_keys(config: Config, key_dim: int) -> Found:
    """Keys without the architecture's name in front, and tensors: float32 factors of frequencies.

    Raises
    ------
    CheckpointError: a value cannot be. UnsupportedError: it is of a scaling that is not supported.
    """
    if not config.published.rotary:
        return {}, {}
    parameters = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(parameters, dict):
        key = "rope_parameters" if config.get("rope_parameters") else "rope_scaling"
        raise config.wrong(key, "an object in braces")
    local = None
    if any(name in parameters for name in LAYERS):
        others = sorted(parameters.keys() - set(LAYERS))
        if others or not all(isinstance(value, dict | None) for value in parameters.values()):
            raise CheckpointError(f"{config.path}: rope_parameters is {shown(list(parameters))}, expected objects for "
                                  f"{' and '.join(LAYERS)}")
        local = _Scaling(config, parameters.get("sliding_attention") or {}, LOCAL)
        parameters = parameters.get("full_attention") or {}
    scaling = _Scaling(config, parameters, "rope_theta")
    keys, tensors = scaling.read(key_dim)
    base = config.number(LOCAL) if config.get(LOCAL) is not None else None
    if local is not None and (base is not None or local.base != scaling.base):
        base = local.base
    if local is not None and local.kind != "default":
        raise UnsupportedError(f"{config.path}: rotary scaling of layers with a window is not supported: their "
                               f"rope_type is {shown(local.kind)}, expected 'default'")
    if base is not None:
        keys["rope.freq_base_swa"] = base
    return keys, tensors


class _Scaling:
    """One object of parameters."""

    def __init__(self, config: Config, values: Mapping[str, Any], base: str):
        self._config, self._values = config, values
        kind = next((values[key] for key in TYPES if values.get(key) is not None), "default")
        self.kind = SAME.get(kind, kind) if isinstance(kind, str) else ""
        if self.kind not in SCALINGS:
            raise UnsupportedError(f"{config.path}: rotary scaling {shown(kind)} is not supported, supported are "
                                   f"{', '.join(SCALINGS)}")
        for key in values:
            if key not in (*BASE, *PART, *TYPES, *INERT, *SCALINGS[self.kind]) and values[key] is not None:
                raise UnsupportedError(f"{config.path}: {named(key)} of rotary scaling {self.kind} is not supported, "
                                       f"supported are {', '.join((*BASE, *PART, *SCALINGS[self.kind]))}")
        self.base = self._number("rope_theta", config.get(base) or config.get("rope_theta") or 10000.0)

    def read(self, key_dim: int) -> Found:
        part = self._number("partial_rotary_factor", self._config.get("partial_rotary_factor") or 1.0)
        size = int(key_dim * part)
        if part > 1 or size < 2 or size % 2:
            raise CheckpointError(f"{self._config.path}: partial_rotary_factor is {part:g}, expected a part of the "
                                  f"{key_dim} elements of a key that is an even number of them")
        keys, tensors = {"default": lambda size: ({}, {}), "linear": self._linear, "yarn": self._yarn,
                         "llama3": self._llama3, "longrope": self._longrope}[self.kind](size)
        return {"rope.dimension_count": size, "rope.freq_base": self.base, **keys}, tensors

    def _linear(self, size: int) -> Found:
        return {"rope.scaling.type": "linear", "rope.scaling.factor": self._number("factor")}, {}

    def _yarn(self, size: int) -> Found:
        factor, original = self._factor(), self._original()
        keys = {"rope.scaling.type": "yarn", "rope.scaling.factor": factor,
                "rope.scaling.original_context_length": original,
                "rope.scaling.yarn_beta_fast": self._number("beta_fast", 32.0),
                "rope.scaling.yarn_beta_slow": self._number("beta_slow", 1.0)}
        if self._values.get("truncate") not in (None, True):
            raise UnsupportedError(f"{self._config.path}: truncate of rotary scaling yarn is "
                                   f"{shown(self._values['truncate'])}, expected true")
        usual = _magnitude(factor, 1.0)
        wanted = usual
        if self._values.get("attention_factor") is not None:
            wanted = self._number("attention_factor")
        elif self._values.get("mscale") and self._values.get("mscale_all_dim"):
            wanted = (_magnitude(factor, self._number("mscale"))
                      / _magnitude(factor, self._number("mscale_all_dim")))
        return {**keys, **({} if wanted == usual else {"rope.scaling.attn_factor": wanted / usual})}, {}

    def _llama3(self, size: int) -> Found:
        """Long waves are stretched by the factor, short ones stay, those between are in between."""
        factor, original = self._number("factor"), self._original()
        low, high = self._number("low_freq_factor"), self._number("high_freq_factor")
        if low >= high:
            raise CheckpointError(f"{self._config.path}: low_freq_factor is {low:g}, expected less than "
                                  f"high_freq_factor, {high:g}")
        waves = 2 * math.pi * self.base ** (np.arange(0, size, 2) / size)
        kept = np.clip((original / waves - low) / (high - low), 0, 1)
        return {}, {"rope_freqs.weight": (1 / ((1 - kept) / factor + kept)).astype(np.float32)}

    def _longrope(self, size: int) -> Found:
        factor, original = self._factor(), self._original()
        usual = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 and original > 1 else 1.0
        keys = {"rope.scaling.type": "longrope", "rope.scaling.original_context_length": original,
                "rope.scaling.attn_factor": self._number("attention_factor", usual)}
        return keys, {f"rope_factors_{name}.weight": self._list(f"{name}_factor", size // 2)
                      for name in ("long", "short")}

    def _original(self) -> int:
        """Positions before scaling: the config's own of all scalings comes first."""
        for values in (self._config.values, self._values):
            value = values.get(ORIGINAL[0])
            if value is not None:
                if type(value) is not int or not 0 < value < 1 << 31:
                    raise self._wrong(ORIGINAL[0], value, "a positive integer")
                return value
        return self._config.whole("max_position_embeddings")

    def _factor(self) -> float:
        """How many times as many positions as before scaling."""
        return self._number("factor", self._config.whole("max_position_embeddings") / self._original())

    def _number(self, key: str, default: float | None = None) -> float:
        """A positive number."""
        value = self._values.get(key)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 1e-9 <= value <= 1e38:
            raise self._wrong(key, value, "a number from 1e-9 to 1e38")
        return value

    def _list(self, key: str, count: int) -> np.ndarray:
        values = self._values.get(key)
        if not isinstance(values, Sequence) or len(values) != count or not all(
                isinstance(value, int | float) and 1e-9 <= value <= 1e38 for value in values):
            raise self._wrong(key, values, f"a list of {count} numbers from 1e-9 to 1e38")
        return np.array(values, np.float32)

    def _wrong(self, key: str, value: Any, expected: str) -> CheckpointError:
        what = "missing" if value is None else shown(value)
        return CheckpointError(f"{self._config.path}: {key} of the rotary embedding is {what}, expected {expected}")


def _magnitude(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1
