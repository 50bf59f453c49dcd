"""How many of a sparse bit plane's bits a linear code of 16 payload bits matches: the measure that papers on XOR
decoders give. Nothing is compressed this way here: weights take window codes (docs/reference/care-bits.md).
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["LinearCode", "code_for", "matched", "share_matched"]

WINDOW = 16
"""Payload bits that a bit of the plane is a parity of."""

FEWEST = 2
"""Payload bits of a step at least: one more halves the time, and costs nothing that could be seen."""


@dataclass(frozen=True)
class LinearCode:
    """A shift register of `WINDOW` bits takes ``step_bits`` payload bits a step and gives a parity for each mask.

    Parameters
    ----------
    step_bits: payload bits of a step.
    masks: for each bit of the plane in a step, the window's bits that it is the parity of; at most 32.
    """

    step_bits: int
    masks: tuple[int, ...]

    def outputs(self) -> np.ndarray:
        """The bits of a step for every window, first bit lowest: uint32 [2^WINDOW]."""
        windows, outputs = np.arange(1 << WINDOW, dtype=np.uint32), np.zeros(1 << WINDOW, np.uint32)
        for bit, mask in enumerate(self.masks):
            outputs |= (np.bitwise_count(windows & np.uint32(mask)) & 1).astype(np.uint32) << np.uint32(bit)
        return outputs


def code_for(sparsity: float, seed: int) -> LinearCode:
    """A random code with as many payload bits as the plane has care bits on average: 1 - sparsity for each bit."""
    share = Fraction(1 - sparsity).limit_denominator(32)
    steps = -(-FEWEST // share.numerator)
    masks = np.random.default_rng(seed).integers(1, 1 << WINDOW, steps * share.denominator)
    return LinearCode(steps * share.numerator, tuple(int(mask) for mask in masks))


def matched(code: LinearCode, wanted: np.ndarray, care: np.ndarray,
            progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Care bits that the best payload gives as wanted; bool [steps, bits of a step] both. The register starts at 0."""
    weights = (1 << np.arange(len(code.masks))).astype(np.uint32)
    targets, cares = (wanted * weights).sum(axis=1, dtype=np.uint32), (care * weights).sum(axis=1, dtype=np.uint32)
    outputs, branches = code.outputs(), 1 << code.step_bits
    states = 1 << WINDOW - code.step_bits
    # Misses of the best payload to each state, less the least of them. Any state is reached within a window's steps.
    misses = np.full(states, len(code.masks) * WINDOW, np.uint16)
    misses[0], missed = 0, 0
    for step, (target, cared) in enumerate(zip(targets, cares, strict=True)):
        windows = np.bitwise_count((outputs ^ target) & cared).reshape(states, branches) + misses[:, None]
        misses = windows.reshape(branches, states).min(axis=0)
        least = misses.min()
        missed += int(least)
        misses -= least
        progress(step + 1, len(targets))
    return int(care.sum()) - missed


def share_matched(sparsity: float, care_bits: int, seed: int = 1,
                  progress: Callable[[int, int], None] = lambda done, total: None) -> dict:
    """The measure on a random plane of about ``care_bits`` care bits, as figures for JSON."""
    code = code_for(sparsity, seed)
    rng = np.random.default_rng((seed, 1))
    shape = (-(-care_bits // code.step_bits), len(code.masks))
    wanted, care = rng.random(shape) < 0.5, rng.random(shape) >= sparsity
    right = matched(code, wanted, care, progress)
    return {"sparsity": sparsity, "step_bits": code.step_bits, "plane_bits": len(code.masks),
            "care_bits": int(care.sum()), "payload_bits_per_care_bit": code.step_bits * shape[0] / int(care.sum()),
            "matched": right / int(care.sum()), "label": "measured"}
