"""The engine's golden model against exact rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from dojang_sim.golden.engine import BLOCK, PreparedMatrix, align, gemv, nonfinite

HALF_ULP = Fraction(1, 1 << 24)
MEDIAN, OUTLIER = 0.75, 2.0e4


def half_even(value: Fraction) -> int:
    return round(value)  # Fraction.__round__ rounds half to even


def fl(value: Fraction) -> Fraction:
    """Nearest FP32 value, ties to even; ``value`` is in the normal range or zero."""
    if value == 0:
        return value
    power = value.numerator.bit_length() - value.denominator.bit_length()  # |value| within a factor of two of 2^power
    if abs(value) < Fraction(2) ** power:
        power -= 1
    unit = Fraction(2) ** (power - 23)
    return half_even(value / unit) * unit


def exact_align(block):
    """One block by the words of numerics.md."""
    numbers = [Fraction(0) if np.isnan(v) or 0 < abs(v) < 2.0 ** -64 else
               Fraction(2) ** 100 * (1 if v > 0 else -1) if np.isinf(v) else Fraction(float(v)) for v in block]
    exponent = -64
    for number in numbers:
        if number:
            power = exponent
            while power < 64 and Fraction(2) ** (power + 1) <= abs(number):
                power += 1
            exponent = power
    q = [max(-32767, min(32767, half_even(number * Fraction(2) ** (14 - exponent)))) for number in numbers]
    return q, exponent, sum(q)


def exact_turned(q, exponent):
    """The transform of aligned integers, by the words of numerics.md."""
    r = [sum((-1) ** (i & j).bit_count() * q[at + j] for j in range(64)) for at in range(0, len(q), 64)
         for i in range(64)]
    s = 0
    while not all(-(1 << 15 + s) <= value < 1 << 15 + s for value in r):
        s += 1
    turned = [max(-32767, min(32767, half_even(Fraction(value, 1 << s)))) for value in r]
    return turned, exponent + s - 3, sum(turned)


def exact_gemv(codes, scale, offset, x, rotated=False, terms=1):
    """One row, every rounding written out."""
    y = Fraction(0)
    size = codes.shape[1]
    for group, row in enumerate(codes):
        q, exponent, total = exact_align(x[group // terms * size:(group // terms + 1) * size])
        if rotated:
            q, exponent, total = exact_turned(q, exponent)
        dot = sum(int(a) * b for a, b in zip(row, q, strict=True))
        t = fl(Fraction(dot)) if scale is None else fl(Fraction(float(scale[group])) * dot)
        if offset is not None:
            t = fl(t + fl(Fraction(float(offset[group])) * total))
        y = fl(y + t * Fraction(2) ** (exponent - 14))
    return y


def activations(rng, count, kind):
    """``count`` float32 values of one character."""
    x = rng.standard_normal(count).astype(np.float32)
    if kind == "outliers":
        x[rng.integers(0, count, max(1, count // 48))] *= np.float32(OUTLIER / MEDIAN)
        x = np.clip(x, -65504, 65504).astype(np.float16).astype(np.float32)
    elif kind == "exponents":
        x = np.ldexp(x, rng.integers(-70, 70, count)).astype(np.float32)
    elif kind == "sparse":
        x[rng.random(count) < 0.9] = 0
    elif kind == "ties":
        x = (rng.integers(-65536, 65536, count) / 2).astype(np.float32)  # with E = 15, q = x / 2: quarters and halves
    return x


KINDS = ("normal", "outliers", "exponents", "sparse", "ties")


@pytest.mark.parametrize("kind", KINDS)
def test_align_is_the_definition(kind):
    rng = np.random.default_rng(1)
    x = activations(rng, 40 * BLOCK, kind).reshape(40, BLOCK)
    q, exponent, total = align(x)
    assert q.shape == (40, 1, BLOCK) and exponent.shape == total.shape == (40, 1)
    for block, *got in zip(x, q[:, 0], exponent[:, 0], total[:, 0], strict=True):
        expected = exact_align(block)
        assert (got[0].tolist(), int(got[1]), int(got[2])) == expected


@pytest.mark.parametrize(("values", "q", "exponent"), [
    ([], [], -64),
    ([1.0], [16384], 0),
    ([-1.0, 2.0 ** -15, -(2.0 ** -15), 3 * 2.0 ** -15], [-16384, 0, 0, 2], 0),      # ties go to even
    ([1.0, 1.5 * 2.0 ** -14, 2.5 * 2.0 ** -14], [16384, 2, 2], 0),
    ([65504.0], [32752], 15),                                                         # the largest FP16 value
    ([np.nextafter(np.float32(2), np.float32(0))], [32767], 0),                       # rounds to 2^15: clamped
    ([2.0 ** -64], [16384], -64),
    ([np.nextafter(np.float32(2.0 ** -64), np.float32(0)), 1e-45], [0, 0], -64),
    ([2.0 ** 64, -(2.0 ** 65), 2.0 ** 127], [16384, -32767, 32767], 64),
    ([np.inf, -np.inf, np.nan, 2.0 ** 60], [32767, -32767, 0, 1024], 64),
    ([np.nan, 1.0], [0, 16384], 0),
    ([np.nan, -0.0], [0, 0], -64),
])
def test_align_corners(values, q, exponent):
    x = np.zeros(BLOCK, np.float32)
    x[:len(values)] = values
    got, got_exponent, total = align(x)
    assert got[0, :len(q)].tolist() == q and not got[0, len(q):].any()
    assert (int(got_exponent[0]), int(total[0])) == (exponent, sum(q))
    assert nonfinite(x) == (not np.isfinite(x).all())


def weights(rng, rows, groups, bits, signed, mode):
    low = -(1 << bits - 1) if signed else 0
    codes = rng.integers(low, low + (1 << bits), (rows, groups, BLOCK))
    codes[0] = low if signed else (1 << bits) - 1
    scale = offset = None
    if mode != "none":
        scale = (rng.standard_normal((rows, groups)) * 2.0 ** rng.integers(-20, 8, (rows, groups))).astype(np.float16)
    if mode == "affine":
        offset = (rng.standard_normal((rows, groups)) * 8).astype(np.float16)
    return codes, scale, offset


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["none", "scale", "affine"])
@pytest.mark.parametrize(("bits", "signed"), [(1, False), (4, False), (4, True), (8, True), (8, False)])
def test_gemv_rounds_as_specified(kind, mode, bits, signed):
    rng = np.random.default_rng([bits, signed, len(mode), len(kind)])
    rows, groups = 4, 5
    codes, scale, offset = weights(rng, rows, groups, bits, signed, mode)
    x = activations(rng, groups * BLOCK, kind)
    y = gemv(codes, scale, offset, x)
    assert y.dtype == np.float32 and y.shape == (rows,)
    for r in range(rows):
        expected = exact_gemv(codes[r], None if scale is None else scale[r], None if offset is None else offset[r], x)
        assert Fraction(float(y[r])) == expected
    assert not np.signbit(y[y == 0]).any()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("group", "rotated"), [(64, False), (128, False), (64, True), (128, True)])
def test_align_of_larger_groups_and_of_transforms(kind, group, rotated):
    rng = np.random.default_rng([group, rotated])
    x = activations(rng, 6 * group, kind)
    q, exponent, total = align(x, group, rotated)
    assert q.shape == (6, group) and exponent.shape == total.shape == (6,)
    for elements, *got in zip(x.reshape(6, group), q, exponent, total, strict=True):
        expected = exact_align(elements)
        assert (got[0].tolist(), int(got[1]), int(got[2])) == (
            exact_turned(*expected[:2]) if rotated else expected)


@pytest.mark.parametrize(("values", "q", "exponent"), [
    ([], [0] * 64, -67),
    ([1.0], [16384] * 64, -3),                                   # one element: no place is lost
    ([1.0] * 64, [16384] + [0] * 63, 3),                         # all of it in one place, 64 times as large
    ([2.0 - 2.0 ** -14] * 64, [32767] + [0] * 63, 3),
    ([-2.0 + 2.0 ** -14] * 64, [-32767] + [0] * 63, 3),
    ([1.0, -1.0] * 32, [0, 16384] + [0] * 62, 3),
])
def test_transform_corners(values, q, exponent):
    x = np.zeros(64, np.float32)
    x[:len(values)] = values
    got, got_exponent, total = align(x, 64, rotated=True)
    assert (got[0].tolist(), int(got_exponent[0]), int(total[0])) == (q, exponent, sum(q))


def test_the_transform_is_orthonormal():
    """Weights transformed by H / 8 on transformed activations give the plain product, to 15 bits of the largest."""
    rng = np.random.default_rng(3)
    hadamard = np.array([[(-1) ** (i & j).bit_count() for j in range(64)] for i in range(64)])
    w, x = rng.integers(-7, 8, (8, 64)) * 8, rng.standard_normal(64).astype(np.float32)
    y = gemv((w @ hadamard // 8).clip(-255, 255)[:, None], None, None, x, rotated=True)
    assert np.abs(y - w @ x).max() < 64 * 56 * 2.0 ** -13


@pytest.mark.parametrize(("group", "rotated", "terms", "mode"), [
    (64, False, 1, "scale"), (128, False, 1, "affine"), (64, True, 1, "row"), (128, True, 1, "scale"),
    (32, False, 3, "scale"), (64, True, 2, "scale")])
def test_larger_groups_transforms_and_terms_round_as_specified(group, rotated, terms, mode):
    rng = np.random.default_rng([group, terms, len(mode)])
    rows, groups = 4, 3
    codes = rng.integers(-31, 32, (rows, groups * terms, group))
    scale = rng.standard_normal((rows,) if mode == "row" else (rows, groups * terms)).astype(np.float16)
    offset = rng.standard_normal((rows, groups * terms)).astype(np.float16) if mode == "affine" else None
    x = activations(rng, groups * group, "outliers")
    y = gemv(codes, scale, offset, x, rotated, terms)
    each = np.broadcast_to(scale[:, None], codes.shape[:2]) if mode == "row" else scale
    for r in range(rows):
        expected = exact_gemv(codes[r], each[r], None if offset is None else offset[r], x, rotated, terms)
        assert Fraction(float(y[r])) == expected


def test_full_scale_sums_are_exact():
    """The largest integers of every width: all activations 32767, all codes extreme."""
    x = np.full(BLOCK, np.nextafter(np.float32(2), np.float32(0)))
    for code in (-128, 127, 255, 15, 16, 17, -16):
        y = gemv(np.full((4, 1, BLOCK), code), None, None, x)
        expected = fl(Fraction(BLOCK * 32767 * code)) / (1 << 14)
        assert [Fraction(float(v)) for v in y] == [expected] * 4


def test_contexts_and_reuse_agree_with_single_products():
    rng = np.random.default_rng(5)
    matrix = PreparedMatrix(*weights(rng, 12, 3, 8, True, "affine"))
    x = np.stack([activations(rng, 3 * BLOCK, kind) for kind in KINDS])
    together = matrix.gemv(x)
    assert together.shape == (len(KINDS), 12)
    for vector, row in zip(x, together, strict=True):
        assert matrix.gemv(vector).tobytes() == row.tobytes()


@pytest.mark.parametrize(("bits", "signed", "mode"), [(4, False, "affine"), (4, True, "scale"), (8, True, "scale")])
def test_dot_product_error_bound_on_outliers(bits, signed, mode):
    """|error| <= sum over groups of 32 (max|Q| d + |m|) 2^(E-15), and half an ulp for each FP32 rounding."""
    rng = np.random.default_rng(11)
    rows, groups = 6, 8
    codes, scale, offset = weights(rng, rows, groups, bits, signed, mode)
    x = activations(rng, groups * BLOCK, "outliers")
    blocks = x.reshape(groups, BLOCK)
    largest = np.abs(blocks).max(axis=1)
    assert (largest > 2e4 * np.median(np.abs(x))).any()
    y = gemv(codes, scale, offset, x)
    _, exponent, _ = align(x)
    for r in range(rows):
        exact, bound, partial = Fraction(0), Fraction(0), Fraction(0)
        for g in range(groups):
            d = Fraction(float(scale[r, g]))
            m = Fraction(float(offset[r, g])) if offset is not None else Fraction(0)
            q, power, total = exact_align(blocks[g])
            unit = Fraction(2) ** (int(exponent[g]) - 14)
            assert power == exponent[g]
            exact += sum((d * int(a) + m) * Fraction(float(v)) for a, v in zip(codes[r, g], blocks[g], strict=True))
            bound += BLOCK * (int(np.abs(codes[r, g]).max()) * abs(d) + abs(m)) * unit / 2
            dot = sum(int(a) * b for a, b in zip(codes[r, g], q, strict=True))
            roundings = abs(d * dot) + abs(m * total) + abs(d * dot) + abs(m * total)
            partial += (abs(d * dot) + abs(m * total)) * unit
            bound += (roundings * unit + partial) * HALF_ULP * (1 + 4 * HALF_ULP)
        assert abs(Fraction(float(y[r])) - exact) <= bound


@pytest.mark.parametrize(("codes", "scale", "offset", "x", "word"), [
    (np.zeros((4, 2, 31), int), None, None, np.zeros(62), "values have shape"),
    (np.full((4, 1, 32), 257), None, None, np.zeros(32), "257"),
    (np.full((4, 1, 128), 65), None, None, np.zeros(128), "-64 to 64"),
    (np.zeros((4, 1, 32), int), np.zeros((1, 4)), None, np.zeros(32), "scale has shape"),
    (np.zeros((4, 1, 32), int), None, np.zeros((4, 1)), np.zeros(32), "offset without"),
    (np.zeros((4, 1, 32), int), None, None, np.zeros(64), "x has shape"),
    (np.zeros((4, 1, 96), int), None, None, np.zeros(96), "values have shape"),
])
def test_wrong_shapes_are_named(codes, scale, offset, x, word):
    with pytest.raises(ValueError, match=word):
        gemv(codes, scale, offset, x)


def test_align_refuses_partial_blocks():
    with pytest.raises(ValueError, match="33"):
        align(np.zeros(33, np.float32))
    with pytest.raises(ValueError, match="groups of 32 elements, rotated"):
        align(np.zeros(32, np.float32), rotated=True)
    with pytest.raises(ValueError, match="groups of 96"):
        align(np.zeros(96, np.float32), 96)
