"""Rotary embedding: what the keys and tensors of a file say of its angles (docs/reference/numerics.md).

Rules and defaults are llama.cpp's, whose computation of each angle and magnitude is resolved into a divisor of each
frequency and one factor.
"""

import math

import numpy as np

from ..errors import CheckpointError, UnsupportedError, shown
from ..rules import Rotation
from .file import GGUFFile
from .tensors import floats

__all__ = ["SCALINGS", "rotary_tensors", "rotation"]

SCALINGS = ("none", "linear", "yarn", "longrope")

FACTORS = "rope_freqs.weight"
SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"

LEAST, LARGEST = 1e-9, 1e9
"""Of a factor, or of what is compared with one."""

SLACK = 1e-3
"""Relative, between a stored magnitude and the formula that a converter took it from."""


def rotation(file: GGUFFile, key_dim: int, context: int) -> Rotation:
    """Of keys of ``key_dim`` elements."""
    size = file.count("llama.rope.dimension_count", key_dim)
    if size % 2 or not 2 <= size <= key_dim:
        raise CheckpointError(f"{file.path}: hyper-parameter llama.rope.dimension_count is {shown(size)}, expected an "
                              f"even number of at most the key length {key_dim}")
    base = file.number("llama.rope.freq_base", 10000.0)
    original = file.count("llama.rope.scaling.original_context_length", context) or context
    if original < 0:
        raise _wrong(file, "scaling.original_context_length", original, "a positive integer")
    spread, magnitude = _scaling(file, size, base, original)

    def factors(name: str) -> tuple[float, ...] | None:
        if name not in file.tensors:
            return None if (spread == 1).all() else tuple(spread.tolist())
        tensor = file.tensor(name, (size // 2,))
        values = floats(tensor.data, tensor.tensor_type.name).astype(np.float64)
        bad = values[~(np.isfinite(values) & (values > 0))]
        if bad.size:
            raise CheckpointError(f"{file.path}: tensor {name} holds {bad[0]:g}, expected positive numbers")
        return tuple((values * spread).tolist())

    long = _longrope(file)
    return Rotation(base, size, factors(SHORT if long else FACTORS), magnitude, factors(LONG) if long else None,
                    original if long else 0)


def rotary_tensors(file: GGUFFile) -> set[str]:
    """Names of the file's tensors that are part of its rotary embedding."""
    return {SHORT, LONG} & set(file.tensors) if _type(file) == "longrope" else {FACTORS} & set(file.tensors)


def _longrope(file: GGUFFile) -> bool:
    """Whether the file has factors for short and for long contexts."""
    found = rotary_tensors(file) - {FACTORS}
    if len(found) == 1:
        raise CheckpointError(f"{file.path}: tensor {({SHORT, LONG} - found).pop()} is missing, {found.pop()} is there")
    return len(found) == 2


def _type(file: GGUFFile) -> str:
    """A scaling is linear if the file does not say what it is."""
    scaling = file.field("llama.rope.scaling.type", "linear")
    if scaling not in SCALINGS:
        raise UnsupportedError(f"{file.path}: rotary scaling {shown(scaling)} is not supported, supported are "
                               f"{', '.join(SCALINGS)}")
    return scaling


def _scaling(file: GGUFFile, size: int, base: float, original: int) -> tuple[np.ndarray, float]:
    """Divisor of each frequency, float64 [size / 2], and factor of cosine and sine."""
    kind = _type(file)
    key = "scaling.factor" if "llama.rope.scaling.factor" in file.fields else "scale_linear"
    factor = _within(file, key, 0.0, or_zero=True)
    if factor == 0 or kind == "none":
        factor = 1.0
    magnitude, own = (_within(file, f"scaling.{key}", 1.0) for key in ("attn_factor", "yarn_attn_factor"))
    extrapolation = file.number("llama.rope.scaling.yarn_ext_factor", -1.0)
    if extrapolation < 0:  # stands for a missing one
        extrapolation = 1.0 if kind == "yarn" else 0.0
    if extrapolation == 0:
        return np.full(size // 2, float(factor)), magnitude * own
    weight = _within(file, "scaling.yarn_log_multiplier", 0.0, or_zero=True)
    formula = _yarn_magnitude(factor, 1.0) / _yarn_magnitude(factor, weight)
    if own != 1 and abs(own - formula) > SLACK * formula:
        raise UnsupportedError(f"{file.path}: hyper-parameter llama.rope.scaling.yarn_attn_factor is {own:g}, expected "
                               f"1 or the {formula:g} of the other keys")
    kept = _ramp(file, size, base, original) * min(extrapolation, LARGEST)
    rate = (1 - kept) / factor + kept
    if extrapolation > LARGEST or (rate <= 0).any():
        raise _wrong(file, "scaling.yarn_ext_factor", extrapolation, "a number that keeps all frequencies positive")
    return 1 / rate, magnitude * formula


def _yarn_magnitude(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1


def _ramp(file: GGUFFile, size: int, base: float, original: int) -> np.ndarray:
    """How much of each frequency stays: 1 of those that turn `beta_fast` times in the original context, 0 of those that
    turn `beta_slow` times, linear by index between the whole indexes around.
    """
    if base <= 1:
        raise CheckpointError(f"{file.path}: hyper-parameter llama.rope.freq_base is {base:g}, expected more than 1 "
                              "with YaRN")

    def index(turns: float) -> float:
        return size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    low = max(0, math.floor(index(_within(file, "scaling.yarn_beta_fast", 32.0))))
    high = min(size - 1, math.ceil(index(_within(file, "scaling.yarn_beta_slow", 1.0))))
    return 1 - np.clip((np.arange(size // 2) - low) / max(0.001, high - low), 0, 1)


def _within(file: GGUFFile, key: str, default: float, or_zero: bool = False) -> float:
    value = file.number(f"llama.rope.{key}", default)
    if not (LEAST <= value <= LARGEST or (or_zero and value == 0)):
        raise _wrong(file, key, value, f"a number from {LEAST:g} to {LARGEST:g}{', or 0 for none' * or_zero}")
    return value


def _wrong(file: GGUFFile, key: str, value: float, expected: str) -> CheckpointError:
    return CheckpointError(f"{file.path}: hyper-parameter llama.rope.{key} is {value:g}, expected {expected}")
