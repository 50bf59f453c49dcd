"""Error bounds of the special functions, against float64 (53 bits: 2^-29 of an ulp of theirs) and exact integers."""

import warnings

import numpy as np
import pytest
from dojang_sim.benches.arith_vectors import CORNERS
from dojang_sim.golden import special

BOUND = {"exp2": 0.75, "recip": 0.77, "rsqrt": 0.63}
"""Units in the last place of the exact result, from docs/reference/special-functions.md."""


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(), np.errstate(all="warn"):
        warnings.simplefilter("error")
        yield


def from_bits(bits):
    return np.asarray(bits, np.uint32).view(np.float32)


def ulps(got, exact):
    """Distance in units in the last place of the exact normal value."""
    _, exponent = np.frexp(exact)
    return np.abs(got.astype(np.float64) - exact) / np.ldexp(1.0, exponent - 24)


def test_recip_of_every_fraction():
    x = from_bits(np.arange(1 << 23) | 127 << 23)
    assert ulps(special.recip(x), 1 / x.astype(np.float64)).max() < BOUND["recip"]


@pytest.mark.parametrize("exponent", [127, 128])
def test_rsqrt_of_every_fraction(exponent):
    x = from_bits(np.arange(1 << 23) | exponent << 23)
    assert ulps(special.rsqrt(x), 1 / np.sqrt(x.astype(np.float64))).max() < BOUND["rsqrt"]


def test_rsqrt_error_by_exact_integers():
    """y is within one of its units of 1/sqrt(x) iff (y − 1 unit)²·x < 1 < (y + 1 unit)²·x."""
    rng = np.random.default_rng(31)
    bits = rng.integers(1 << 23, 255 << 23, 20000)
    for x, y in zip(from_bits(bits), special.rsqrt(from_bits(bits)), strict=True):
        (mx, ex), (my, ey) = np.frexp(float(x)), np.frexp(float(y))
        integer_x, integer_y = int(mx * 2 ** 24), int(my * 2 ** 24)
        one = 1 << (24 - int(ex)) + 2 * (24 - int(ey))
        assert (integer_y - 1) ** 2 * integer_x < one < (integer_y + 1) ** 2 * integer_x


def test_exp2_dense():
    rng = np.random.default_rng(32)
    wide = np.linspace(-126, 128, 1_000_001)[:-1]
    unit = rng.uniform(-1, 1, 500_000) * 2.0 ** rng.integers(-32, 2, 500_000)
    edges = (np.arange(-126 * 128, 128 * 128)[:, None] + np.array([-1, 0, 1]) * 2.0 ** -18).ravel() / 128
    x = np.concatenate([wide, unit, edges]).astype(np.float32)
    x = x[(x >= -126) & (x < 128)]
    assert ulps(special.exp2(x), np.exp2(x.astype(np.float64))).max() < BOUND["exp2"]


def test_powers_of_two_are_exact():
    n = np.arange(-126, 128)
    power = np.ldexp(np.float32(1), n)
    np.testing.assert_array_equal(special.exp2(n.astype(np.float32)), power)
    inverse = np.where(n == 127, np.float32(0), np.ldexp(np.float32(1), -n))  # 2^-127 is denormal
    np.testing.assert_array_equal(special.recip(power), inverse)
    even = n[n % 2 == 0]
    np.testing.assert_array_equal(special.rsqrt(np.ldexp(np.float32(1), even)), np.ldexp(np.float32(1), -even // 2))


def test_exponents_only_scale():
    rng = np.random.default_rng(33)
    fraction = rng.integers(0, 1 << 23, 2000)
    one = from_bits(fraction | 127 << 23)
    for exponent in range(1, 253):
        x = from_bits(fraction | exponent << 23)
        np.testing.assert_array_equal(special.recip(x), np.ldexp(special.recip(one), 127 - exponent))
        np.testing.assert_array_equal(special.recip(-x), -special.recip(x))
        reduced = from_bits(fraction | 127 + (exponent - 127) % 2 << 23)
        np.testing.assert_array_equal(special.rsqrt(x), np.ldexp(special.rsqrt(reduced), -((exponent - 127) // 2)))


def test_boundaries_of_segments_never_step_back_by_more_than_one_unit():
    boundary = np.arange(1, 128) << 16
    before, after = from_bits(boundary - 1 | 127 << 23), from_bits(boundary | 127 << 23)
    for f, direction in ((special.exp2, 1), (special.recip, -1), (special.rsqrt, -1)):
        step = f(after).view(np.int32) - f(before).view(np.int32)
        assert (direction * step >= -1).all()


INF, NAN = 0x7F800000, 0x7FC00000
CASES = {
    "exp2": {
        0x00000000: 0x3F800000, 0x80000000: 0x3F800000, 0x00000001: 0x3F800000, 0x807FFFFF: 0x3F800000,
        0x43000000: INF, 0x7F7FFFFF: INF, INF: INF, 0xC2FC0000: 0x00800000, 0xC2FC0001: 0, 0xFF800000: 0,
        0x7FC00001: NAN, 0xFF800001: NAN, 0x32000000: 0x3F800000,
    },
    "recip": {
        0x00000000: INF, 0x80000000: 0xFF800000, 0x007FFFFF: INF, 0x80000001: 0xFF800000, INF: 0, 0xFF800000: 1 << 31,
        0x7E800000: 0x00800000, 0x7E800001: 0, 0xFE800001: 1 << 31, 0x7F7FFFFF: 0, 0x00800000: 0x7E800000,
        0x7F800001: NAN, 0xFFFFFFFF: NAN,
    },
    "rsqrt": {
        0x00000000: INF, 0x80000000: INF, 0x007FFFFF: INF, 0x807FFFFF: INF, INF: 0, 0xFF800000: NAN, 0xBF800000: NAN,
        0x80800000: NAN, 0x00800000: 0x5F000000, 0x7F800001: NAN, 0x40800000: 0x3F000000,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_special_cases(name):
    got = getattr(special, name)(from_bits(list(CASES[name]))).view(np.uint32)
    np.testing.assert_array_equal(got, list(CASES[name].values()))


@pytest.mark.parametrize("name", CASES)
def test_shapes_and_corners_give_float32(name):
    f = getattr(special, name)
    assert f(CORNERS.reshape(2, -1)).shape == (2, len(CORNERS) // 2)
    assert f(np.float32(1)).shape == ()
    assert f(CORNERS[::2]).dtype == np.float32
