"""The compiled model's operations against the golden ones, on all kinds of bit patterns; changes are caught."""

import ctypes
import shutil
from collections.abc import Sequence
from pathlib import Path

import dojang.fast
import numpy as np
import pytest
from dojang.native import FLAGS, compiled
from dojang_sim.golden import activations, engine, fp, special, vector

SOURCES = Path(dojang.fast.__file__).parent
PORTABLE = tuple(flag for flag in FLAGS if flag != "-march=native")
MACHINES = {"native": FLAGS, "avx2": (*PORTABLE, "-mavx2", "-mfma", "-mf16c"), "portable": PORTABLE}
TABLES = [np.ascontiguousarray(table) for table in (
    special.table("exp2"), special.table("recip"),
    np.concatenate([special.table("rsqrt_even"), special.table("rsqrt_odd")]))]
BINARY = (fp.add, fp.mul)
UNARY = (fp.round_fp16, fp.round_int8, special.exp2, special.recip, special.rsqrt, activations.silu,
         activations.gelu_tanh, activations.gelu_erf, lambda s: activations.cap(s, 30, 0.3))
REDUCTIONS = (vector.reduce_sum, vector.reduce_max, vector.reduce_maxabs)
CORNERS = np.array([
    bits | sign << 31 for sign in (0, 1) for bits in (
        0, 1, 0x7FFFFF, 0x800000, 0x800001, 0xFFFFFF, 0x1000000, 0x33000000, 0x33000001, 0x33800000, 0x387FC000,
        0x387FE000, 0x387FF000, 0x387FFFFF, 0x38800000, 0x3EFFFFFF, 0x3F000000, 0x3F7FFFFF, 0x3F800000, 0x3F801000,
        0x3F803000, 0x42FE0000, 0x42FEFFFF, 0x42FF0000, 0x42FC0000, 0x42FC0001, 0x43000000, 0x477FE000, 0x477FEFFF,
        0x477FF000, 0x477FFFFF, 0x4B400000, 0x7E800000, 0x7F000000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000)],
    np.uint32).view(np.float32)


def build(folder: Path, flags, changes: Sequence[tuple[str, str]] = ()) -> ctypes.CDLL:
    """The operations with the model's headers, in which each first text, found once, is replaced by the second."""
    shutil.copy(Path(__file__).with_name("operations.cpp"), folder)
    texts = {header.name: header.read_text() for header in SOURCES.glob("*.h")}
    for old, new in changes:
        name, = (name for name, text in texts.items() if old in text)
        assert texts[name].count(old) == 1
        texts[name] = texts[name].replace(old, new)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return compiled(folder / "operations.cpp", flags)


@pytest.fixture(scope="module", params=MACHINES)
def library(request, tmp_path_factory):
    if request.param == "avx2" and " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the processor has no AVX2")
    return build(tmp_path_factory.mktemp("operations"), MACHINES[request.param])


def pointer(array: np.ndarray | None):
    return None if array is None else ctypes.c_void_p(array.ctypes.data)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    expected = np.ascontiguousarray(expected, np.float32)
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))


def patterns(count: int, seed: int) -> np.ndarray:
    """Corners, any bits, and numbers around those that FP16 and INT8 have."""
    rng = np.random.default_rng(seed)
    numbers = rng.choice([-1, 1], count) * np.exp2(rng.uniform(-27, 17, count))
    halves = np.rint(rng.uniform(-140, 140, count) * 2) / 2
    steps = numbers.clip(-65504, 65504).astype(np.float16).astype(np.float32) * np.float32(1 + 2.0 ** -11)
    return np.concatenate([CORNERS, rng.integers(0, 1 << 32, count, np.uint32).view(np.float32),
                           *(part.astype(np.float32) for part in (numbers, halves, steps))])


def pairs() -> tuple[np.ndarray, np.ndarray]:
    """Operands whose sums and products are around the smallest normal number, among others."""
    rng = np.random.default_rng(6)
    a, b = (np.array([*grid.ravel()]) for grid in np.meshgrid(CORNERS, CORNERS))
    near = rng.uniform(1, 2, 20000).astype(np.float32)
    other = (2.0 ** -126 / near.astype(np.float64) * (1 + rng.integers(-8, 8, 20000) * 2.0 ** -24)).astype(np.float64)
    small = rng.integers(0, 1 << 26, (2, 20000), np.uint32).view(np.float32)
    shift = np.float32(2.0 ** 60)
    return (np.concatenate([a, near * shift, small[0], patterns(20000, 7)]),
            np.concatenate([b, (other / shift).astype(np.float32), -small[1], patterns(20000, 8)]))


def check_elements(library) -> None:
    a, b = pairs()
    with np.errstate(all="ignore"):
        expected = [function(a, b) for function in BINARY] + [function(a) for function in UNARY]
        for operation, values in enumerate(expected):
            clipped, y = ctypes.c_int64(0), np.empty_like(a)
            library.elements(operation, *map(pointer, TABLES), pointer(a), pointer(b), pointer(y),
                             ctypes.byref(clipped), ctypes.c_int64(len(a)))
            same(y, values)
            assert clipped.value == (fp.clipped(a) if operation == len(BINARY) else 0)


def check_reductions(library) -> None:
    rng = np.random.default_rng(9)
    for count in (1, 7, 8, 9, 33, 500):
        rows = [rng.permutation(patterns(count, seed))[:count] for seed in range(40)]
        rows += [np.float32(scale) * rng.standard_normal(count).astype(np.float32) for scale in (1, 1e-37, 1e37)] * 20
        z = np.ascontiguousarray(rows, np.float32)
        for operation, function in enumerate(REDUCTIONS):
            y = np.empty(len(z), np.float32)
            library.reduce(operation, pointer(z), pointer(y), ctypes.c_int64(len(z)), ctypes.c_int64(count))
            same(y, function(z))


def inputs(rows: int, columns: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns)) * np.exp2(rng.integers(-70, 70, (rows, 1)))
    x *= np.exp2(rng.integers(-30, 1, (rows, columns)) * (rng.random((rows, 1)) < 0.5))
    x[rng.random((rows, columns)) < 0.05] = 0
    return x.astype(np.float32)


def check_alignment(library) -> None:
    rng = np.random.default_rng(10)
    for group, rotated in ((32, False), (64, False), (128, False), (64, True), (128, True)):
        wild = rng.choice(patterns(300, group), (30, 2 * group))
        extreme = np.float32(32767.4) * rng.choice([-1, 1], (20, 2 * group)).astype(np.float32)
        for x in (inputs(60, 2 * group, group), np.ascontiguousarray(wild), np.ones((1, 2 * group), np.float32),
                  extreme):
            x = np.ascontiguousarray(x[:, :2 * group - 3])
            q, factor, total = (np.empty((len(x), *size), kind) for size, kind in (
                ((2, group), np.int16), ((2,), np.float32), ((2,), np.int32)))
            nonfinite = ctypes.c_bool()
            library.align(pointer(x), ctypes.c_int64(len(x)), ctypes.c_int64(x.shape[1]), group, rotated, pointer(q),
                          pointer(factor), pointer(total), ctypes.byref(nonfinite))
            with np.errstate(all="ignore"):
                expected = engine.align(np.pad(x, ((0, 0), (0, 3))), group, rotated)
            np.testing.assert_array_equal(q, expected[0])
            np.testing.assert_array_equal(factor, np.exp2(expected[1] - 14.0))
            np.testing.assert_array_equal(total, expected[2])
            assert nonfinite.value == engine.nonfinite(x)


def check_products(library) -> None:
    rng = np.random.default_rng(11)
    for group, low, high in (
            (32, 0, 15), (32, -8, 7), (32, 241, 256), (32, -128, 127), (32, 0, 255), (32, -255, 0), (32, -1, 254),
            (32, -129, 100), (32, -256, 256), (64, -128, 127), (64, 120, 128), (128, -64, 64), (128, 0, 1),
            (128, -1, 1)):
        for rows, groups, terms, contexts, scaled, offset, rotated in (
                (37, 3, 1, 15, "groups", False, False), (16, 2, 1, 1, "row", False, group > 32),
                (1, 5, 1, 8, "groups", True, False), (17, 2, 3, 3, "groups", False, group > 32),
                (20, 4, 1, 2, "none", False, False)):
            products = groups * terms
            values = rng.integers(low, high + 1, (rows, products, group), np.int16)
            values[:, rng.random(products) < 0.3] = rng.choice([low, high])

            def halves(*size):
                return (rng.choice([-1, 1], size) * np.exp2(rng.uniform(-24, 15.9, size))).astype(np.float16)

            scale = {"none": None, "row": halves(rows), "groups": halves(rows, products)}[scaled]
            offsets = halves(rows, products) if offset else None
            x = inputs(contexts, groups * group, rows)
            x[0] = np.abs(x[0])  # the largest sums
            for first_row, count, first, used in ((0, rows, 0, groups), (rows // 16 * 16, rows % 16, 1, groups - 1),
                                                  (0, min(rows, 16), groups - 1, 1)):
                part = np.ascontiguousarray(x[:, first * group:(first + used) * group])
                y = np.empty((contexts, count), np.float32)
                library.product(
                    pointer(values), pointer(scale), pointer(offsets), *map(ctypes.c_int64, (rows, products)), group,
                    terms, rotated, scaled == "row", low, high, pointer(part),
                    *map(ctypes.c_int64, (contexts, used, first_row, count, first)), pointer(y))
                # The other groups are zeros, which must be as if they were not there.
                zeros = np.pad(part, ((0, 0), (first * group, (groups - first - used) * group)))
                expected = engine.gemv(values, scale, offsets, zeros, rotated, terms)
                same(y, expected[:, first_row:first_row + count])


CHECKS = (check_elements, check_reductions, check_alignment, check_products)


@pytest.mark.parametrize("checked", CHECKS, ids=lambda checked: checked.__name__[6:])
def test_bits(checked, library):
    checked(library)


MUTATIONS = {
    "contraction": [],
    "denormal operands": [("flush(flush(a) * flush(b))", "flush(a * b)")],
    "denormal sums": [("flush(flush(a) + flush(b))", "flush(a) + flush(b)")],
    "denormal products": [("flush(flush(a) * flush(b))", "flush(a) * flush(b)")],
    "flushed before rounding": [("flush(flush(a) * flush(b))", "(std::fabs(double(flush(a)) * flush(b)) < MIN_NORMAL ?"
                                 " std::copysign(0.0f, a * b) : flush(a) * flush(b))")],
    "NaN as it comes": [("x != x ? float_of(0x7FC00000) : x", "x")],
    "eight sums in a row": [("add(add(p[0], p[1]), add(p[2], p[3]))", "add(add(add(p[0], p[1]), p[2]), p[3])")],
    "sums of four": [("PARTIALS = 8", "PARTIALS = 4")],
    "two sums of groups": [
        ("Floats sums[CONTEXTS] = {};", "Floats sums[CONTEXTS] = {}, others[CONTEXTS] = {};"),
        ("sums[c] += scaled", "(product % 2 ? others[c] : sums[c]) += scaled"),
        ("std::memcpy(y + c * y_stride,", "sums[c] += others[c], std::memcpy(y + c * y_stride,")],
    "ties away from even": [("0xFFF + (bits >> 13 & 1)", "0x1000")],
    "no FP16 denormals": [("0x1p-14f ? denormal", "0x1p-14f ? 0 * x")],
    "two roundings": [("else if (matrix.wide)", "else if (false)")],
    "minus 2^15 needs no shift": [("r[j] < -(32768 << shift) ||", "")],
    "scales of the first groups": [("before = matrix.row_scale ? 0 : product * ROWS", "before = 0")],
    "codes of the first groups": [("codes += product * matrix.group * 2 * ROWS / Code::COLUMNS;", "")],
    "rows of the first block": [("(section.row + row) / ROWS", "row / ROWS")],
    "another cubic": [("B * 0.044715", "B * 0.0447151")],
    "no highest term": [("p = c[TERMS - 1]", "p = 0")],
    "a cap of its own scale": [("2 * LOG2_E * scale / limit", "2 * LOG2_E / limit")],
    "the last of equals": [("flush(z[at]) > m", "flush(z[at]) >= m")],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))
    flags = FLAGS
    if name == "contraction":
        flags = tuple(flag.replace("contract=off", "contract=fast") for flag in flags)
    library = build(tmp_path, flags, MUTATIONS[name])
    with pytest.raises(AssertionError):
        for checked in CHECKS:
            checked(library)
