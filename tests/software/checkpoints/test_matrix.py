"""Matrices: lossless import against the gguf package, quantisation against exact arithmetic."""

from fractions import Fraction

import gguf
import ml_dtypes
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, Form, Matrix
from dojang.checkpoints.matrix import from_blocks, quantize
from dojang_hdl.isa import Code
from dojang_sim.golden.engine import PreparedMatrix

BLOCK_TYPES = {"Q4_0": (4, True, -8, 7), "Q4_1": (4, False, 0, 15), "Q8_0": (8, True, -128, 127)}


def random_blocks(rng, source, rows, groups):
    """Random bytes are valid blocks except for the scales, which must be finite."""
    size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]][1]
    blocks = rng.integers(0, 256, (rows, groups, size), np.uint8)
    for at in range(0, 4 if source == "Q4_1" else 2, 2):
        bits = rng.integers(0, 0x7C00, (rows, groups), np.uint16) | rng.integers(0, 2, (rows, groups), np.uint16) << 15
        blocks[:, :, at:at + 2] = bits.astype("<u2")[:, :, None].view(np.uint8)
    return blocks.reshape(rows, groups * size)


@pytest.mark.parametrize("source", BLOCK_TYPES)
def test_import_of_blocks_is_lossless(source):
    raw = random_blocks(np.random.default_rng(1), source, 37, 5)
    matrix = from_blocks("w", raw, source)
    bits, signed, low, high = BLOCK_TYPES[source]
    assert (matrix.rows, matrix.cols, matrix.groups, matrix.bits, matrix.signed) == (37, 160, 5, bits, signed)
    assert matrix.codes.dtype == (np.int8 if signed else np.uint8)
    assert (matrix.codes.min(), matrix.codes.max()) == (low, high)
    assert (matrix.offset is not None) == (source == "Q4_1")
    expected = gguf.dequantize(raw, gguf.GGMLQuantizationType[source])
    np.testing.assert_array_equal(matrix.dequantize().view(np.uint32), expected.view(np.uint32))


@pytest.mark.parametrize("source", BLOCK_TYPES)
def test_size_is_the_size_in_the_file(source):
    raw = random_blocks(np.random.default_rng(2), source, 4, 3)
    assert from_blocks("w", raw, source).stored_bytes == raw.nbytes


@pytest.mark.parametrize("source", BLOCK_TYPES)
@pytest.mark.parametrize("bits", [0x7C00, 0xFC00, 0x7E00])
def test_non_finite_scale_is_refused(source, bits):
    raw = random_blocks(np.random.default_rng(3), source, 4, 3)
    raw[2, -gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]][1]:][:2] = np.array([bits], "<u2").view(np.uint8)
    with pytest.raises(CheckpointError, match=r"tensor blk\.0\.w holds a NaN or infinite scale"):
        from_blocks("blk.0.w", raw, source)


def exact_codes(weights, scale, bits):
    """Codes by rational arithmetic; Python's round is half to even."""
    limit = (1 << bits - 1) - 1
    return [0 if scale == 0 else max(-limit, min(limit, round(Fraction(float(w)) / Fraction(float(scale)))))
            for w in weights]


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
            scale = np.float16(np.float64(np.abs(block).max()) / ((1 << bits - 1) - 1))
            assert matrix.scale[row, group] == scale
            assert matrix.codes[row, group].tolist() == exact_codes(block, scale, bits)
    assert not matrix.codes[:, 2, 11:].any()
    assert matrix.dequantize().shape == (6, 75)


def test_quantised_error_is_half_a_step():
    weights = np.random.default_rng(5).standard_normal((64, 64)).astype(np.float32)
    matrix = quantize("w", weights, "F32", 8)
    step = matrix.scale.astype(np.float32).repeat(32, axis=1)
    # The FP16 scale may be rounded down, so that the largest weight is clamped by up to 127 * 2^-11 of a step more.
    assert (np.abs(matrix.dequantize() - weights) <= step * (0.5 + 127 / 2048)).all()


@pytest.mark.parametrize("bad, what", [(np.nan, "weights"), (np.inf, "weights"), (1e30, "scale")])
def test_weights_out_of_range_are_refused(bad, what):
    weights = np.ones((2, 32), np.float32)
    weights[1, 7] = bad
    with pytest.raises(CheckpointError, match=f"tensor w holds .*infinite {what}"):
        quantize("w", weights, "F32", 8)


def test_bits_per_weight_counts_scales_and_padding():
    assert quantize("w", np.ones((4, 64), np.float32), "F32", 8).bits_per_weight == 8.5
    assert quantize("w", np.ones((4, 48), np.float32), "F32", 4).bits_per_weight == 4.5 * 64 / 48


@pytest.mark.parametrize("fields, expected", [
    ({"bits": 9}, "1 to 8 bits"), ({"bits": 4, "group": 96}, "groups of 32, 64, 128"),
    ({"bits": 4, "rotated": True}, "rotated groups of at least 64"), ({"bits": 1, "terms": 9}, "1 to 8 terms"),
    ({"bits": 1, "terms": 2, "row_scale": True}, "one with a window code or a scale a row"),
    ({"bits": 3, "code": Code.X2, "terms": 2}, "one with a window code or a scale a row"),
    ({"bits": 4, "zero": 512}, "zero from -512 to 511"), ({"bits": 4, "code": Code.X2}, "3 unsigned bits with X2"),
    ({"bits": 4, "code": Code.X3, "signed": True}, "4 unsigned bits with X3"),
    ({"bits": 8, "signed": True, "group": 128}, "integers of at most 64 in such groups"),
    ({"bits": 4, "zero": -300}, "integers of at most 256 in such groups"),
])
def test_forms_that_the_engine_has_not_are_refused(fields, expected):
    with pytest.raises(CheckpointError, match=f"^weights of the form Form.*, expected .*{expected}"):
        Form(**fields)


def test_the_largest_forms_are_those_of_the_engine():
    """The golden model refuses larger ones by its own rule."""
    for form in (Form(8, signed=True, group=64), Form(7, signed=True, group=128), Form(8, double=True, zero=-255)):
        values = np.full((4, 1, form.group), form.largest)
        PreparedMatrix(values)
        with pytest.raises(ValueError, match="values from"):
            PreparedMatrix(values * 2)


def test_masks_and_offsets_go_with_their_forms():
    window = Form(3, code=Code.X2, double=True, zero=-7)
    mask, scale = np.ones((4, 1, 32), bool), np.ones((4, 1), np.float16)
    codes = np.zeros((4, 1, 32), np.uint8)
    Matrix("w", 4, 32, codes, window, scale, None, "x2", mask)
    for form in (Form(3), Form(3, code=Code.X2), Form(3, code=Code.X2, double=True, zero=-6)):
        with pytest.raises(CheckpointError, match="tensor w has a mask and the form"):
            Matrix("w", 4, 32, codes, form, scale, None, "x2", mask)
    for form in (window, Form(4, row_scale=True), Form(1, terms=2)):
        with pytest.raises(CheckpointError, match="tensor w has offsets and the form"):
            Matrix("w", 4, 32, codes, form, scale, scale, "x2")
