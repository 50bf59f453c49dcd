"""Block types: import against the gguf package's decoding, exactly or within what rounding allows."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError
from dojang.checkpoints.blocks.packing import pack, unpack
from dojang.checkpoints.blocks.writing import WRITERS, write_blocks
from dojang.checkpoints.importing import from_blocks, quantize
from dojang.checkpoints.tensor_types import BLOCK_TYPES, Kept

HALVES = {"Q4_1": (0, 2), "Q5_1": (0, 2), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q2_K": (80, 82), "Q3_K": (108,),
          "Q6_K": (208,), "TQ1_0": (52,), "TQ2_0": (64,), "MXFP4": (), "IQ1_M": ()}
"""Where the FP16 scales of a block are; at 0 if nothing is said."""

EXACT = [name for name, kind in BLOCK_TYPES.items() if kind.kept is Kept.EXACT]
ROUNDED = [name for name, kind in BLOCK_TYPES.items() if kind.kept is Kept.ROUNDED]
SYMMETRIC = [name for name, kind in BLOCK_TYPES.items() if kind.kept is Kept.NEAREST and not kind.offset]
CODES = {"Q4_0": (-8, 7), "Q4_1": (0, 15), "Q5_0": (-16, 15), "Q5_1": (0, 31), "Q8_0": (-128, 127), "Q3_K": (-128, 124),
         "IQ4_NL": (-127, 113), "MXFP4": (-12, 12), "TQ1_0": (-1, 1), "TQ2_0": (-2, 1), "Q1_0": (0, 1)}

HALF = 2.0 ** -11
"""Relative error of rounding to FP16."""


def sizes(source):
    return gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[source]]


def random_blocks(source, rows, blocks, seed=1, largest=9):
    """Random bytes are valid blocks except for the scales: random signs, exponents from -14 to `largest`."""
    rng = np.random.default_rng([seed, len(source)])
    found = rng.integers(0, 256, (rows, blocks, sizes(source)[1]), np.uint8)
    for at in HALVES.get(source, (0,)):
        bits = rng.integers(1 << 10, 15 + largest << 10, (rows, blocks), np.uint16)
        bits |= rng.integers(0, 2, (rows, blocks), np.uint16) << 15
        found[:, :, at:at + 2] = bits.astype("<u2")[:, :, None].view(np.uint8)
    if source == "MXFP4":
        found[:, :, 0] = rng.integers(128 - 24, 128 + 16, (rows, blocks))
    if source == "IQ1_M":  # the nibbles of one FP16 number, in four places
        found[:, :, -1] = found[:, :, -1] & 0x8F | 0x20
    return found.reshape(rows, -1)


def decoded(raw, source):
    if source == "Q1_0":  # which the package does not decode: the sign of 128 weights a bit, behind their size
        blocks = raw.reshape(-1, 18)
        signs = 2.0 * np.unpackbits(blocks[:, 2:], axis=1, bitorder="little") - 1
        return (blocks[:, :2].copy().view("<f2") * signs).astype(np.float32).reshape(len(raw), -1)
    return gguf.dequantize(raw, gguf.GGMLQuantizationType[source])


def test_every_type_that_the_reference_decodes_is_one_of_these():
    text = Path(gguf.quants.__file__).read_text()
    left_out = {"NVFP4", "BF16"}  # NVFP4 has the scale of the tensor in another tensor
    assert set(BLOCK_TYPES) - {"Q1_0"} == {kind.name for kind in gguf.GGMLQuantizationType
                                if f"qtype=GGMLQuantizationType.{kind.name})" in text} - left_out
    assert set(BLOCK_TYPES) == {*EXACT, *ROUNDED, *SYMMETRIC, "Q2_K"}


@pytest.mark.parametrize("source", EXACT)
def test_exact_types(source):
    raw = random_blocks(source, 97, 5, largest=15 if source == "Q1_0" else 16)  # its scale is twice the size
    matrix = from_blocks("w", raw, source, pytest.fail)
    form, columns = BLOCK_TYPES[source].form, sizes(source)[0] * 5
    assert (matrix.rows, matrix.cols, matrix.groups, matrix.form) == (97, columns, columns // 32, form)
    assert matrix.codes.dtype == (np.int8 if form.signed else np.uint8) and matrix.stored_exactly
    assert (matrix.codes.min(), matrix.codes.max()) == CODES[source]
    low = -(1 << form.bits - 1) if form.signed else 0
    assert low <= matrix.codes.min() and matrix.codes.max() < low + (1 << form.bits)
    np.testing.assert_array_equal(matrix.dequantize(), decoded(raw, source))


LLAMA_CPP = "12351f3e7cf8f0e1c3870f1f3e7cf8f0e1c3a83f870f1f3e7cf8f0e1c183070f1e3c78f0"


def test_one_bit_blocks_are_those_of_llama_cpp():
    """Bytes that its quantize_row_q1_0_ref made of these weights, and what its dequantize_row_q1_0 makes of them."""
    weights = np.sin(np.arange(256, dtype=np.float32) * np.float32(0.7)) * np.repeat(np.float32([0.5, 3]), 128)
    raw = write_blocks(weights[None], "Q1_0")
    assert raw.tobytes().hex() == LLAMA_CPP
    np.testing.assert_array_equal(from_blocks("w", raw, "Q1_0").dequantize()[0], np.where(
        weights >= 0, np.float32(1), np.float32(-1)) * np.repeat(raw[0].reshape(2, 18)[:, :2].copy().view("<f2"), 128))


@pytest.mark.parametrize("source", ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_size_is_the_size_in_the_file(source):
    raw = random_blocks(source, 4, 3)
    assert from_blocks("w", raw, source).stored_bytes == raw.nbytes


@pytest.mark.parametrize("source", ROUNDED)
def test_only_products_of_scales_are_rounded(source):
    raw = random_blocks(source, 40, 3)
    matrix = from_blocks("w", raw, source, pytest.fail)
    assert not matrix.stored_exactly and (matrix.offset is not None) == BLOCK_TYPES[source].offset
    expected = decoded(raw, source).astype(np.float64).reshape(40, -1, 32)
    size = np.abs(matrix.codes * matrix.scale.astype(np.float64)[:, :, None])
    if matrix.offset is not None:
        size += np.abs(matrix.offset.astype(np.float64))[:, :, None]
    found = matrix.dequantize().reshape(40, -1, 32)
    denormal = 2.0 ** -25 * np.abs(matrix.codes.astype(np.int64))
    assert (np.abs(found - expected) <= 1.01 * HALF * size + denormal).all()
    assert (found != expected).any()


@pytest.mark.parametrize("source", SYMMETRIC)
def test_nearest_codes_are_half_a_step_away(source):
    raw = random_blocks(source, 40, 3)
    matrix = from_blocks("w", raw, source, pytest.fail)
    assert matrix.form == BLOCK_TYPES[source].form and matrix.offset is None and not matrix.stored_exactly
    expected = decoded(raw, source).astype(np.float64).reshape(40, -1, 32)
    step = np.abs(matrix.scale.astype(np.float64))
    error = np.abs(matrix.dequantize().reshape(40, -1, 32) - expected)
    assert (error <= step[:, :, None] * 0.5001).all()
    exact = (error <= 1.01 * HALF * np.abs(expected)).all(axis=2)
    finest = 2 ** 0.5 * np.abs(expected).max(axis=2) / 127
    assert (exact | (step <= finest * (1 + HALF) + 2.0 ** -24)).all() and not exact.all()


def test_neighbours_of_q6_k_that_can_both_be_exact_are():
    """Where one of their scales is a small multiple of the other only the product of scales is rounded."""
    raw = random_blocks("Q6_K", 40, 3).reshape(40, 3, -1)
    scales = raw[:, :, 192:208].view(np.int8)
    scales[0:10, :, ::2] = 60
    scales[0:10, :, 1::2] = -60
    scales[10:20, :, ::2] = 3
    scales[10:20, :, 1::2] = 1
    scales[20:30, :, ::2] = -128
    scales[20:30, :, 1::2] = 96
    raw = raw.reshape(40, -1)
    expected = decoded(raw, "Q6_K").astype(np.float64).reshape(40, -1, 2, 16)
    found = from_blocks("w", raw, "Q6_K").dequantize().reshape(expected.shape)
    exact = (np.abs(found - expected) <= 1.01 * HALF * np.abs(expected)).all(axis=3)
    assert exact[:30].all() and not exact[30:].all() and exact.any(axis=2).all()
    plain = quantize("w", expected.reshape(40, -1), "F32").dequantize().reshape(expected.shape)
    assert np.mean((found - expected)[30:] ** 2) < 0.6 * np.mean((plain - expected)[30:] ** 2)


def test_neighbours_of_q2_k_get_a_step_that_suits_both():
    raw = random_blocks("Q2_K", 200, 3)
    matrix = from_blocks("w", raw, "Q2_K", pytest.fail)
    assert not matrix.stored_exactly and matrix.form == BLOCK_TYPES["Q2_K"].form
    blocks = raw.reshape(-1, sizes("Q2_K")[1])
    scales, minima = blocks[:, :16] & 15, blocks[:, :16] >> 4
    d, least = (np.ascontiguousarray(blocks[:, at:at + 2]).view("<f2").astype(np.float64) for at in (80, 82))
    ends = np.stack([d * scales * code - least * minima for code in (0, 3)]).reshape(2, 200, -1, 2)
    span = np.ptp(ends, axis=(0, 3))[:, :, None]
    offset = np.abs(matrix.offset.astype(np.float64))[:, :, None]
    expected = decoded(raw, "Q2_K").astype(np.float64).reshape(200, -1, 32)
    error = np.abs(matrix.dequantize().reshape(expected.shape) - expected)
    rounding = 1.01 * HALF * (span + 2 * offset) + 255 * 2.0 ** -24
    assert (error <= 2 * span / 254 + rounding).all()
    wide = (0 < offset[:, :, 0]) & (offset <= span)[:, :, 0]  # elsewhere the rounding of the offset is what counts
    assert np.mean((error[wide] / span[wide]) ** 2) < 0.3 / 12 / 255 ** 2  # of codes that reach from end to end
    same = (minima[:, ::2] == minima[:, 1::2]).reshape(200, -1)
    assert same.sum() > 200 and (error <= rounding)[same].all()


@pytest.mark.parametrize("kept", [0, 1])
def test_q2_k_of_one_level(kept):
    """Scales of zero leave one weight to each small block, minima of zero none at all."""
    raw = random_blocks("Q2_K", 4, 3).reshape(12, -1)
    raw[:, :16] &= 240 * kept
    expected = decoded(raw.reshape(4, -1), "Q2_K")
    error = np.abs(from_blocks("w", raw.reshape(4, -1), "Q2_K", pytest.fail).dequantize() - expected)
    assert (error <= 2.02 * HALF * np.abs(expected).max(axis=1, keepdims=True)).all() and expected.any() == kept


@pytest.mark.parametrize("source", [name for name in BLOCK_TYPES if HALVES.get(name, True)])
@pytest.mark.parametrize("bits", [0x7C00, 0xFC00, 0x7E00])
@pytest.mark.filterwarnings("error")
def test_non_finite_scale_is_refused(source, bits):
    raw = random_blocks(source, 4, 3)
    for at in HALVES.get(source, (0,)):
        bad = raw.copy()
        last = bad[2, -sizes(source)[1]:]
        last[at:at + 2] = np.array([bits], "<u2").view(np.uint8)
        with pytest.raises(CheckpointError, match=r"^tensor blk\.0\.w holds a NaN or infinite scale$"):
            from_blocks("blk.0.w", bad, source)


@pytest.mark.parametrize("source, at", [("Q4_K", 0), ("Q4_K", 2), ("Q5_K", 0), ("IQ4_XS", 0), ("Q6_K", 208)])
def test_products_beyond_fp16_are_refused(source, at):
    raw = random_blocks(source, 4, 2)
    raw[1, at:at + 2] = np.array([65504], "<f2").view(np.uint8)
    with pytest.raises(CheckpointError, match=r"^tensor w needs a scale of -?[\d.e+]+, beyond the range of FP16"):
        from_blocks("w", raw, source)


def test_powers_of_two_beyond_fp16():
    """The exponents of MXFP4 reach from 2^-127 to 2^127."""
    raw = random_blocks("MXFP4", 1, 4).reshape(4, -1)
    raw[:, 1:] = 0x12  # one half and one
    for exponent, weight in ((-24, 2), (-25, 1), (-25, 2), (-26, 2)):
        raw[:, 0] = exponent + 128
        raw[:, 1:] = 0x11 * weight
        told = []
        matrix = from_blocks("w", raw.reshape(1, -1), "MXFP4", told.append)
        if exponent == -24 or (exponent, weight) == (-25, 2):
            np.testing.assert_array_equal(matrix.dequantize(), decoded(raw.reshape(1, -1), "MXFP4"))
            assert not told
        else:
            assert not matrix.codes.any()
            assert told == ["w: weights are too small for FP16 scales: of 4 groups 4 vanish (all zero)"]
    raw[:, 1:] = 0x71
    told = []
    found = from_blocks("w", raw.reshape(1, -1), "MXFP4", told.append).dequantize()
    assert told == ["w: weights are too small for FP16 scales: of 4 groups 4 lose bits"]
    assert (np.abs(found - decoded(raw.reshape(1, -1), "MXFP4")) <= 2.0 ** -25).all()
    raw[2, 0] = 128 + 16
    with pytest.raises(CheckpointError, match=r"^tensor w needs a scale of 6.55e\+04, beyond the range of FP16"):
        from_blocks("w", raw.reshape(1, -1), "MXFP4", told.append)
    raw[:, 1:] = 0  # whatever the scale, these are zeros
    raw[:, 0] = 0, 255, 20, 250
    assert not from_blocks("w", raw.reshape(1, -1), "MXFP4", pytest.fail).dequantize().any()


def test_the_smallest_scales_of_q6_k_are_told():
    raw = random_blocks("Q6_K", 1, 2).reshape(2, -1)
    raw[:, 192:208] = np.array([1, -3] * 8, np.int8).view(np.uint8)
    raw[0, 208:210] = 1, 0
    told = []
    from_blocks("w", raw.reshape(1, -1), "Q6_K", told.append)
    assert told == []  # the smallest FP16 number is a step of these weights
    raw[0, 192:208] = 1
    raw[0, :192] = 0xFF  # 31, which a quarter of the smallest scale would use all codes for
    from_blocks("w", raw.reshape(1, -1), "Q6_K", told.append)
    assert told == []
    raw[0, 192:208] = np.array([5, 3] * 8, np.int8).view(np.uint8)
    raw[0, :128], raw[0, 128:192] = 0x11, 0  # -31: the smallest numbers times -155 and -93
    from_blocks("w", raw.reshape(1, -1), "Q6_K", told.append)
    assert told == ["w: weights are too small for FP16 scales: of 16 groups 8 lose bits"]


def test_fields_are_where_the_formats_have_them():
    packed = np.arange(1, 9, dtype=np.uint8)[None] * 29
    for step, bits in ((8, 1), (4, 2), (2, 4), (1, 2)):
        fields = unpack(packed, step, bits)
        np.testing.assert_array_equal(pack(fields, step, bits), packed)
        for index, byte in enumerate(packed[0].tolist()):
            for part in range(8 // bits):
                at = (index // step * 8 // bits + part) * step + index % step
                assert fields[0, at] == byte >> part * bits & (1 << bits) - 1


@pytest.mark.parametrize("source, error", [("Q2_K", 0.34), ("Q3_K", 0.17), ("Q4_K", 0.09), ("Q5_K", 0.045),
                                           ("Q6_K", 0.02), ("IQ4_NL", 0.09), ("IQ4_XS", 0.09)])
def test_written_blocks_are_near(source, error):
    weights = np.random.default_rng(3).standard_normal((32, 512))
    raw = write_blocks(weights, source)
    assert raw.shape == (32, 512 // sizes(source)[0] * sizes(source)[1]) and source in WRITERS
    found = decoded(raw, source)
    assert 0.5 * error < np.sqrt(np.mean((found - weights) ** 2)) < error
    np.testing.assert_array_equal(decoded(write_blocks(np.zeros((2, 256)), source), source), np.zeros((2, 256)))


@pytest.mark.parametrize("source, low, high, scales", [
    ("Q2_K", -12, 3, [1, 4, 15]), ("Q3_K", -4, 3, [-32, 7, 31]), ("Q4_K", 0, 15, [1, 63]), ("Q5_K", 0, 31, [2, 63]),
    ("Q6_K", -32, 31, [-128, 5, 127])])
def test_what_a_block_has_is_written_exactly(source, low, high, scales):
    """Grids that begin and end each small block, in the step of one of its scales."""
    size = 16 if source in ("Q2_K", "Q3_K", "Q6_K") else 32
    rng = np.random.default_rng(4)
    codes = rng.integers(low, high + 1, (8, 256 // size, size))
    codes[:, :, 0], codes[:, :, 1] = low, high
    steps = rng.choice(scales, (8, 256 // size))
    steps[:, 0] = max(scales, key=abs)
    if source == "Q2_K":  # minima are multiples of the largest too
        codes = rng.integers(0, 4, codes.shape)
        codes[:, :, 0], codes[:, :, 1] = 0, 3
    weights = (codes * steps[:, :, None] / 64).reshape(8, 256)
    np.testing.assert_array_equal(decoded(write_blocks(weights, source), source), weights)
