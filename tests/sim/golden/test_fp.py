"""The FP32 model against SoftFloat and exact rationals."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
import softfloatpy
from dojang_sim.benches.arith_vectors import CORNERS, corner_pairs, floats, integers, pairs
from dojang_sim.golden import fp

NAN = 0x7FC00000
MIN_NORMAL = Fraction(1, 1 << 126)


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        yield


def flushed(bits):
    return bits & 1 << 31 if bits & 0x7F800000 == 0 else bits


def soft(operation, *operands):
    """A SoftFloat operation on bit patterns, with the chip's flushing and NaN."""
    values = [softfloatpy.Float32.from_bytes(flushed(bits).to_bytes(4, "big")) for bits in operands]
    bits = int.from_bytes(operation(*values).to_bytes(), "big")
    return NAN if bits & 0x7FFFFFFF > 0x7F800000 else flushed(bits)


def operand_pairs():
    corners, random = corner_pairs(), pairs(np.random.default_rng(21), 40000)
    return (np.concatenate(columns) for columns in zip(corners, random, strict=True))


@pytest.mark.parametrize("name", ["add", "mul"])
def test_against_softfloat(name):
    a, b = operand_pairs()
    got = getattr(fp, name)(a, b)
    assert got.dtype == np.float32
    operation = {"add": softfloatpy.f32_add, "mul": softfloatpy.f32_mul}[name]
    patterns = zip(a.view(np.uint32).tolist(), b.view(np.uint32).tolist(), strict=True)
    expected = [soft(operation, x, y) for x, y in patterns]
    np.testing.assert_array_equal(got.view(np.uint32), np.array(expected, np.uint32))


def test_last_step_below_the_smallest_normal_rounds_up():
    almost = np.array([0x3F7FFFFF], np.uint32).view(np.float32)  # 1 - 2^-24
    assert fp.mul(almost, np.float32(2.0 ** -126)) == np.float32(2.0 ** -126)
    assert fp.mul(almost, -np.float32(2.0 ** -126)) == -np.float32(2.0 ** -126)
    smaller = np.array([0x3F7FFFFE], np.uint32).view(np.float32)
    assert fp.mul(smaller, np.float32(2.0 ** -126)).view(np.uint32) == 0


def nearest(value: Fraction, quantum: Fraction) -> Fraction:
    return round(value / quantum) * quantum  # Python rounds halves to even


def exact_fp32(value: Fraction) -> float:
    """The FP32 nearest to a rational, flushed."""
    if value == 0:
        return 0.0
    magnitude = abs(value)
    exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
    while Fraction(2) ** exponent > magnitude:
        exponent -= 1
    while Fraction(2) ** (exponent + 1) <= magnitude:
        exponent += 1
    rounded = nearest(magnitude, Fraction(2) ** (max(exponent, -126) - 23))
    if rounded >= Fraction(2) ** 128:
        rounded = float("inf")
    elif rounded < MIN_NORMAL:
        rounded = 0.0
    return float(rounded) if value > 0 else -float(rounded)


def test_from_int_against_rationals():
    rng = np.random.default_rng(22)
    a = np.concatenate([np.array([0, 1, -1, -2 ** 63, 2 ** 63 - 1, 2 ** 24 + 1, 2 ** 24 + 3, 2 ** 53 + 1]),
                        integers(rng, 8000, 64)])
    # Integers a hair above or below a tie of 24 bits, which rounding twice would get wrong.
    tie = (rng.integers(1 << 23, 1 << 24, 2000) * 2 + 1) << 38
    a = np.concatenate([a, tie, tie + 1, tie - 1])
    e = rng.integers(-220, 80, len(a))
    e[::50] = rng.integers(-512, 512, len(e[::50]))
    got = fp.from_int(a, e)
    expected = np.array([exact_fp32(int(x) * Fraction(2) ** int(y)) for x, y in zip(a, e, strict=True)], np.float32)
    np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))


def test_flush_and_canonical_on_every_corner():
    bits = CORNERS.view(np.uint32)
    np.testing.assert_array_equal(fp.flush(CORNERS).view(np.uint32), [flushed(int(x)) for x in bits])
    expected = [NAN if x & 0x7FFFFFFF > 0x7F800000 else x for x in bits]
    np.testing.assert_array_equal(fp.canonical(CORNERS).view(np.uint32), expected)


def half_inputs():
    """Every FP16 value, every midpoint of two neighbours, and the FP32 values beside those."""
    grid = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    middle = (grid[1:] + grid[:-1]) / 2
    points = np.concatenate([grid, middle, [65520, 65536]]).astype(np.float32).view(np.int32)
    points = np.concatenate([points + step for step in (-1, 0, 1)])
    values = points[(points >= 0)].astype(np.uint32).view(np.float32)
    return np.concatenate([values, -values, CORNERS, floats(np.random.default_rng(23), 20000)])


def test_round_fp16_exhaustively():
    x = half_inputs()
    got = fp.round_fp16(x)
    grid = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float64)
    value = np.where(np.isnan(x), np.float32(0), x).astype(np.float64)
    magnitude = np.minimum(np.abs(value), 65504)
    magnitude = np.where(magnitude < 2.0 ** -126, 0, magnitude)
    below = np.searchsorted(grid, magnitude, side="right") - 1
    above = np.minimum(below + 1, len(grid) - 1)
    low, high = magnitude - grid[below], grid[above] - magnitude
    index = np.where((high < low) | (high == low) & (below % 2 == 1), above, below)
    expected = np.copysign(grid[index], value).astype(np.float32).view(np.uint32)
    np.testing.assert_array_equal(got.view(np.uint32), np.where(np.isnan(x), NAN, expected))


def test_clipped_counts_what_rounds_beyond_fp16():
    x = half_inputs()
    with np.errstate(all="ignore"):  # numpy's own rounding makes those infinities
        beyond = np.isinf(x.astype(np.float16))
    assert fp.clipped(x) == beyond.sum()
    for sign in (-1, 1):
        edge = np.flatnonzero((np.abs(x) > 65000) & (np.sign(x) == sign))
        assert [fp.clipped(x[at]) for at in edge] == beyond[edge].tolist()
    below = np.nextafter(np.float32(65520), np.float32(0))
    assert fp.clipped([65504, -65504, below, -below, np.nan]) == 0
    assert fp.clipped([65520, np.nan, -65520, np.inf, -np.inf]) == 4
    assert fp.clipped(np.zeros((0, 3))) == 0


def test_round_int8():
    halves = np.arange(-300, 301, dtype=np.float32) / 2
    with np.errstate(under="ignore"):
        beside = [np.nextafter(halves, np.float32(direction)) for direction in (np.inf, -np.inf)]
    x = np.concatenate([halves, *beside, CORNERS, floats(np.random.default_rng(25), 5000)])
    got = fp.round_int8(x)
    assert got.dtype == np.int8

    def expected(value):
        if np.isnan(value):
            return 0
        return int(np.copysign(127, value)) if abs(value) > 127 else round(Fraction(float(value)))

    np.testing.assert_array_equal(got, [expected(value) for value in x])
