"""Rotary embedding: what the keys and tensors of a file say of its angles (docs/reference/numerics.md).

Rules and defaults are llama.cpp's, whose computation of each angle and magnitude is resolved into a divisor of each
frequency and one factor.
"""

import math

import numpy as np

from ..errors import CheckpointError, UnsupportedError, shown
from ..families import Source
from ..rules import Rotation
from .tensors import floats

__all__ = ["SCALINGS", "rotary_tensors", "rotation"]

SCALINGS = ("none", "linear", "yarn", "longrope")

FACTORS = "rope_freqs.weight"
SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"

LEAST, LARGEST = 1e-9, 1e9
"""Of a factor, or of what is compared with one."""

SLACK = 1e-3
"""Relative, between a stored magnitude and the formula that a converter took it from."""


def rotation(source: Source, base: float, long: bool = False, scaled: bool = True) -> Rotation:
    """Of layers with that ``base``.

    Parameters
    ----------
    long: factors for short and long contexts are read whatever the type of scaling.
    scaled: the file's scaling, factors and magnitude count.
    """
    size = source.count("rope.dimension_count", source.key_dim)
    if size % 2 or not 2 <= size <= source.key_dim:
        raise source.wrong("rope.dimension_count", size, f"an even number of at most the key length {source.key_dim}")
    if not scaled:
        return Rotation(base, size)
    original = source.count("rope.scaling.original_context_length", source.context) or source.context
    if original < 0:
        raise source.wrong("rope.scaling.original_context_length", original, "a positive integer")
    spread, magnitude = _scaling(source, size, base, original)

    def factors(name: str) -> tuple[float, ...] | None:
        if name not in source.file.tensors:
            return None if (spread == 1).all() else tuple(spread.tolist())
        tensor = source.file.tensor(name, (size // 2,))
        values = floats(tensor.data, tensor.type_name).astype(np.float64)
        bad = values[~(np.isfinite(values) & (values > 0))]
        if bad.size:
            raise CheckpointError(f"{source.file.path}: tensor {name} holds {bad[0]:g}, expected positive numbers")
        return tuple((values * spread).tolist())

    by_context = _by_context(source, long)
    return Rotation(base, size, factors(SHORT if by_context else FACTORS), magnitude,
                    factors(LONG) if by_context else None, original if by_context else 0)


def rotary_tensors(source: Source, long: bool = False) -> set[str]:
    """Names of the file's tensors that are part of its rotary embedding."""
    read = {SHORT, LONG} if long or _type(source) == "longrope" else {FACTORS}
    return read & set(source.file.tensors)


def _by_context(source: Source, long: bool) -> bool:
    """Whether the file has factors for short and for long contexts."""
    found = rotary_tensors(source, long) - {FACTORS}
    if len(found) == 1:
        raise CheckpointError(f"{source.file.path}: tensor {({SHORT, LONG} - found).pop()} is missing, {found.pop()} "
                              "is there")
    return len(found) == 2


def _type(source: Source) -> str:
    """A scaling is linear if the file does not say what it is."""
    scaling = source.field("rope.scaling.type", "linear")
    if scaling not in SCALINGS:
        raise UnsupportedError(f"{source.file.path}: rotary scaling {shown(scaling)} is not supported, supported are "
                               f"{', '.join(SCALINGS)}")
    return scaling


def _scaling(source: Source, size: int, base: float, original: int) -> tuple[np.ndarray, float]:
    """Divisor of each frequency, float64 [size / 2], and factor of cosine and sine."""
    kind = _type(source)
    key = "scaling.factor" if source.has("rope.scaling.factor") else "scale_linear"
    factor = _within(source, key, 0.0, or_zero=True)
    if factor == 0 or kind == "none":
        factor = 1.0
    magnitude, own = (_within(source, f"scaling.{key}", 1.0) for key in ("attn_factor", "yarn_attn_factor"))
    extrapolation = source.number("rope.scaling.yarn_ext_factor", -1.0)
    if extrapolation < 0:  # stands for a missing one
        extrapolation = 1.0 if kind == "yarn" else 0.0
    if extrapolation == 0:
        return np.full(size // 2, float(factor)), magnitude * own
    weight = _within(source, "scaling.yarn_log_multiplier", 0.0, or_zero=True)
    formula = _yarn_magnitude(factor, 1.0) / _yarn_magnitude(factor, weight)
    if own != 1 and abs(own - formula) > SLACK * formula:
        raise source.wrong("rope.scaling.yarn_attn_factor", own, f"1 or the {formula:g} of the other keys")
    kept = _ramp(source, size, base, original) * min(extrapolation, LARGEST)
    rate = (1 - kept) / factor + kept
    if extrapolation > LARGEST or (rate <= 0).any():
        raise source.wrong("rope.scaling.yarn_ext_factor", extrapolation,
                           "a number that keeps all frequencies positive")
    return 1 / rate, magnitude * formula


def _yarn_magnitude(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1


def _ramp(source: Source, size: int, base: float, original: int) -> np.ndarray:
    """How much of each frequency stays: 1 of those that turn `beta_fast` times in the original context, 0 of those that
    turn `beta_slow` times, linear by index between the whole indexes around.
    """
    if base <= 1:
        raise source.wrong("rope.freq_base", base, "more than 1 with YaRN")

    def index(turns: float) -> float:
        return size * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base))

    low = max(0, math.floor(index(_within(source, "scaling.yarn_beta_fast", 32.0))))
    high = min(size - 1, math.ceil(index(_within(source, "scaling.yarn_beta_slow", 1.0))))
    return 1 - np.clip((np.arange(size // 2) - low) / max(0.001, high - low), 0, 1)


def _within(source: Source, key: str, default: float, or_zero: bool = False) -> float:
    value = source.number(f"rope.{key}", default)
    if not (LEAST <= value <= LARGEST or (or_zero and value == 0)):
        raise source.wrong(f"rope.{key}", value,
                           f"a number from {LEAST:g} to {LARGEST:g}{', or 0 for none' * or_zero}")
    return value
