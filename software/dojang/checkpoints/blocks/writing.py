"""Floats to blocks of any type, by plain rounding: for models that are made here (real quantisers search)."""

import gguf
import numpy as np

from .packing import pack
from .small import LEVELS

__all__ = ["WRITABLE", "write_blocks"]

GROUPS = 16
"""Smaller blocks inside a block of Q2_K, Q3_K or Q6_K; those of the other large types are twice as long."""


def write_blocks(weights: np.ndarray, kind: str) -> np.ndarray:
    """Rows of floats as GGUF stores them in a type: floats, or bytes of whole blocks."""
    weights = weights.astype(np.float32)
    if kind not in WRITERS:
        return gguf.quantize(weights, gguf.GGMLQuantizationType[kind])
    columns, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    blocks = WRITERS[kind](weights.astype(np.float64).reshape(-1, columns))
    return blocks.reshape(len(weights), weights.shape[1] // columns * size)


def _q1_0(weights: np.ndarray) -> np.ndarray:
    return np.concatenate([_halves(np.abs(weights).mean(axis=1, keepdims=True)), pack(weights >= 0, 1, 1)], axis=1)


def _q2_k(weights: np.ndarray) -> np.ndarray:
    codes, d, scales, least, minima = _affine(weights, GROUPS, 3, 15)
    return np.concatenate([scales | minima << 4, pack(codes, 32, 2), d, least], axis=1)


def _q4_k(weights: np.ndarray) -> np.ndarray:
    codes, d, scales, least, minima = _affine(weights, GROUPS // 2, 15, 63)
    return np.concatenate([d, least, _six_bits(scales, minima), pack(codes, 32, 4)], axis=1)


def _q5_k(weights: np.ndarray) -> np.ndarray:
    codes, d, scales, least, minima = _affine(weights, GROUPS // 2, 31, 63)
    top = pack(codes >> 4, 32, 1)
    return np.concatenate([d, least, _six_bits(scales, minima), top, pack(codes & 15, 32, 4)], axis=1)


def _q3_k(weights: np.ndarray) -> np.ndarray:
    codes, d, scales = _symmetric(weights, 4, 32)
    codes, scales = (codes + 4).astype(np.uint8), (scales + 32).astype(np.uint8)
    fields = [pack(scales & 15, 8, 4), pack(scales >> 4, 4, 2)]
    return np.concatenate([pack(codes >> 2, 32, 1), pack(codes & 3, 32, 2), *fields, d], axis=1)


def _q6_k(weights: np.ndarray) -> np.ndarray:
    codes, d, scales = _symmetric(weights, 32, 128)
    codes = (codes + 32).astype(np.uint8)
    return np.concatenate([pack(codes & 15, 64, 4), pack(codes >> 4, 32, 2), scales.astype(np.int8).view(np.uint8), d],
                          axis=1)


def _iq4_nl(weights: np.ndarray) -> np.ndarray:
    d = _halves(_extreme(weights[:, None]) / LEVELS[0])
    return np.concatenate([d, pack(_levels(weights, _values(d)), 16, 4)], axis=1)


def _iq4_xs(weights: np.ndarray) -> np.ndarray:
    weights = weights.reshape(len(weights), GROUPS // 2, -1)
    d, scales = _scales(_extreme(weights) / LEVELS[0], 32)
    codes = _levels(weights, (_values(d) * scales)[:, :, None]).reshape(len(weights), -1)
    fields = (scales + 32).astype(np.uint8)
    return np.concatenate([d, pack(fields >> 4, 1, 2), pack(fields & 15, 1, 4), pack(codes, 16, 4)], axis=1)


WRITERS = {"Q1_0": _q1_0, "Q2_K": _q2_k, "Q3_K": _q3_k, "Q4_K": _q4_k, "Q5_K": _q5_k, "Q6_K": _q6_k, "IQ4_NL": _iq4_nl,
           "IQ4_XS": _iq4_xs}
"""Of the types that the package gguf does not write."""

WRITABLE = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "MXFP4", "TQ1_0", "TQ2_0", *WRITERS)
"""Types that `write_blocks` takes."""


def _affine(weights, groups, limit, scale_limit):
    """Codes from 0 to ``limit``; scales and minima, integers to ``scale_limit``, and what they are multiples of."""
    weights = weights.reshape(len(weights), groups, -1)
    low = np.minimum(weights.min(axis=2), 0)
    d, scales = _positive((np.maximum(weights.max(axis=2), 0) - low) / limit, scale_limit)
    least, minima = _positive(-low, scale_limit)
    codes = (weights + (_values(least) * minima)[:, :, None]) / _divisor(_values(d) * scales)[:, :, None]
    return (np.clip(np.rint(codes), 0, limit).astype(np.uint8).reshape(len(weights), -1), d, scales, least, minima)


def _positive(values, limit):
    d = _halves(values.max(axis=1, keepdims=True) / limit)
    return d, np.clip(np.rint(values / _divisor(_values(d))), 0, limit).astype(np.uint8)


def _symmetric(weights, limit, scale_limit):
    """Codes from ``-limit`` to ``limit - 1``, as are the scales of ``scale_limit``, and what those are multiples of."""
    weights = weights.reshape(len(weights), GROUPS, -1)
    d, scales = _scales(_extreme(weights) / -limit, scale_limit)
    codes = np.rint(weights / _divisor(_values(d) * scales)[:, :, None])
    return np.clip(codes, -limit, limit - 1).reshape(len(weights), -1), d, scales


def _scales(values, limit):
    d = _halves(_extreme(values[:, None]) / -limit)
    return d, np.clip(np.rint(values / _divisor(_values(d))), -limit, limit - 1).astype(np.int64)


def _levels(weights, scale):
    """Index of the nearest level."""
    middles = (LEVELS[1:].astype(np.float64) + LEVELS[:-1]) / 2
    return np.searchsorted(middles, weights / _divisor(scale)).astype(np.uint8)


def _extreme(values):
    """The one of largest magnitude along the last axis, with its sign."""
    return np.take_along_axis(values, np.abs(values).argmax(axis=-1)[..., None], axis=-1)[..., 0]


def _six_bits(scales, minima):
    """The inverse of `six_bits`."""
    first, second = scales[:, :4] | scales[:, 4:] >> 4 << 6, minima[:, :4] | minima[:, 4:] >> 4 << 6
    return np.concatenate([first, second, scales[:, 4:] & 15 | (minima[:, 4:] & 15) << 4], axis=1)


def _halves(values):
    """float64 [n, 1] to the bytes of FP16, uint8 [n, 2]."""
    return values.astype("<f2").view(np.uint8)


def _values(halves):
    return halves.view("<f2").astype(np.float64)


def _divisor(scale):
    return np.where(scale == 0, np.inf, scale)
