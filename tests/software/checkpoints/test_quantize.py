"""Floats onto codes and scales, against exact arithmetic."""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError
from dojang.checkpoints.importing import quantize


def exact(weights, bits):
    """Scale and codes by rational arithmetic; Python's round is half to even."""
    limit = (1 << bits - 1) - 1
    wanted = max(abs(Fraction(float(weight))) for weight in weights) / limit
    scale = nearest_fp16(wanted)
    while wanted:
        codes = [round(Fraction(float(weight)) / Fraction(float(scale or 1))) for weight in weights]
        if scale and min(codes) >= -limit - 1 and max(codes) <= limit:
            return scale, codes
        scale = np.nextafter(scale, np.float16(np.inf))
    return scale, [0] * len(weights)


def nearest_fp16(value):
    """Even of two."""
    exponent = value.numerator.bit_length() - value.denominator.bit_length()
    exponent -= value < Fraction(2) ** exponent
    step = Fraction(2) ** (max(exponent, -14) - 10)
    return np.float16(float(round(value / step) * step))


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_quantisation_follows_the_numerics_page(bits, dtype):
    rng = np.random.default_rng(bits)
    weights = (rng.standard_normal((6, 75)) * np.exp2(rng.integers(-20, 10, (6, 1)))).astype(dtype).astype(np.float32)
    weights[3, 32:64] = 0
    matrix = quantize("w", weights, "F32", bits)
    assert (matrix.groups, matrix.bits, matrix.signed, matrix.offset) == (3, bits, True, None)
    padded = np.zeros((6, 96), np.float32)
    padded[:, :75] = weights
    for row in range(6):
        for group in range(3):
            block = padded[row, 32 * group:32 * group + 32]
            scale, codes = exact(block, bits)
            assert matrix.scale[row, group] == scale
            assert matrix.codes[row, group].tolist() == codes
    assert not matrix.codes[:, 2, 11:].any()
    assert matrix.dequantize().shape == (6, 75)


def test_quantised_error_is_half_a_step():
    weights = np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32)
    matrix = quantize("w", weights, "F32", 8)
    step = matrix.scale.astype(np.float32).repeat(32, axis=1)
    assert (np.abs(matrix.dequantize() - weights) <= step * 0.5001).all()


@pytest.mark.parametrize("bad, message", [
    (np.nan, "holds NaN or infinite weights"), (-np.inf, "holds NaN or infinite weights"),
    (1e30, "needs a scale of 7.87e+27, beyond the range of FP16, 65504"),
    (-8.33e6, "needs a scale of 6.56e+04, beyond the range of FP16, 65504")])
def test_weights_out_of_range_are_refused(bad, message):
    weights = np.ones((2, 32), np.float32)
    weights[1, 7] = bad
    with pytest.raises(CheckpointError, match=f"^tensor w {re.escape(message)}"):
        quantize("w", weights, "F32", 8)
    weights[1, 7] = 65504 * 127
    assert quantize("w", weights, "F32", 8).scale[1, 0] == 65504


def test_weights_too_small_for_scales_are_told():
    smallest, told = 2.0 ** -24, []
    weights = np.ones((6, 64), np.float32)
    weights[0] = 0
    quantize("w", weights, "F32", 8, told.append)
    weights[1] = 127 * 2.0 ** -21  # a scale of eight times the smallest: as good as any
    weights[2, :32] = np.arange(32) * smallest  # FP16's smallest is the step of these
    matrix = quantize("w", weights, "F32", 8, told.append)
    np.testing.assert_array_equal(matrix.dequantize()[:2], weights[:2])
    np.testing.assert_array_equal(matrix.dequantize()[2, :32], weights[2, :32])
    assert told == []
    weights[2, :32] += smallest / 4
    quantize("w", weights, "F32", 8, told.append)
    assert told == ["w: weights are too small for FP16 scales: of 12 groups 1 lose bits"]
    weights[3] = smallest / 2
    matrix = quantize("w", weights, "F32", 8, told.append)
    assert told[1:] == ["w: weights are too small for FP16 scales: of 12 groups 2 vanish (all zero), 1 lose bits"]
    assert not matrix.dequantize()[3].any()
    weights[3] = smallest * 0.6
    quantize("w", weights, "F32", 2, told.append)
    assert told[2].endswith("of 12 groups 2 lose bits")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_no_weight_is_clamped_by_a_small_scale(dtype):
    """Scales that FP16 has with few bits are rounded up where that is needed."""
    rng = np.random.default_rng(6)
    weights = rng.standard_normal((512, 32)) * np.exp2(rng.uniform(-24, -6, (512, 1)))
    weights = weights.astype(dtype).astype(np.float32)
    matrix = quantize("w", weights, "F16", 8)
    step = matrix.scale.astype(np.float64)
    assert (step < 2.0 ** -14).sum() > 100
    assert (np.abs(matrix.dequantize() - weights.astype(np.float64)) <= 0.5001 * step).all()
