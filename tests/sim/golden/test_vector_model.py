"""The vector model against plain loops over elements with SoftFloat arithmetic."""

import itertools
import time
from fractions import Fraction
from random import Random

import numpy as np
import pytest
import softfloatpy
from dojang_sim.golden import special
from dojang_sim.golden.vector import VectorOp, execute, reduce_max, reduce_maxabs, reduce_sum

NAN = 0x7FC00000
MINUS_INFINITY = 0xFF800000
CORNERS = (0, 0x80000000, 1, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, MINUS_INFINITY, NAN, 0xFFC12345,
           0x7F800001, 0x477FF000, 0xC7800000, 0x33000001, 0x42FE8000, 0xC3000000, 0x3F000000, 0xBFC00000)
CHOICES = {"mul": ("ONE", "A", "B", "S", "IMM"), "add": ("ZERO", "B", "S", "IMM"),
           "fn": ("NONE", "EXP2", "RECIP", "RSQRT"), "mul2": ("ONE", "B", "S"), "round": ("NONE", "FP16", "INT8")}


def patterns(rng: Random, count: int) -> np.ndarray:
    def one():
        kind = rng.random()
        if kind < 0.6:
            return int(np.float32(rng.gauss(0, 4)).view(np.uint32))
        return rng.getrandbits(32) if kind < 0.8 else rng.choice(CORNERS)
    return np.array([one() for _ in range(count)], np.uint32)


def is_nan(x):
    return x & 0x7FFFFFFF > 0x7F800000


def flushed(x):
    return x if x & 0x7F800000 else x & 0x80000000


def soft(operation, *operands):
    values = (softfloatpy.Float32.from_bytes(flushed(x).to_bytes(4, "big")) for x in operands)
    result = int.from_bytes(operation(*values).to_bytes(), "big")
    return NAN if is_nan(result) else flushed(result)


def add(x, y):
    return soft(softfloatpy.f32_add, x, y)


def mul(x, y):
    return soft(softfloatpy.f32_mul, x, y)


def value(x):
    """A finite pattern's exact value."""
    return Fraction(float(np.uint32(x).view(np.float32)))


def convert(x, mode):
    if mode == "NONE":
        return x
    magnitude, sign = x & 0x7FFFFFFF, x & 0x80000000
    if mode == "INT8":
        if is_nan(x):
            return 0
        if magnitude > 0x43000000:
            return 0xFFFFFF81 if sign else 127
        return max(-127, min(127, round(value(x)))) & 0xFFFFFFFF
    if is_nan(x):
        return NAN
    if magnitude >= 0x477FE000:
        return sign | 0x477FE000
    half = softfloatpy.f32_to_f16(softfloatpy.Float32.from_bytes(flushed(x).to_bytes(4, "big")))
    return int.from_bytes(softfloatpy.f16_to_f32(half).to_bytes(), "big")


def function(x, name):
    compute = {"EXP2": special.exp2, "RECIP": special.recip, "RSQRT": special.rsqrt}[name]
    return int(compute(np.array([x], np.uint32).view(np.float32)).view(np.uint32)[0])


def loop(op, a, b, s, s_a, n):
    results, clipped = [], 0
    for i in range(n):
        source = s_a if op.a_scalar else int(a[i ^ 1 if op.swap else i])
        other = int(b[i])
        x = source
        if op.mul != "ONE":
            x = mul(x, {"A": source, "B": other, "S": s, "IMM": op.imm0}[op.mul])
        if op.add != "ZERO":
            x = add(x, {"B": other, "S": s, "IMM": op.imm1}[op.add])
        if op.fn != "NONE":
            x = function(x, op.fn)
        if op.mul2 != "ONE":
            x = mul(x, {"B": other, "S": s}[op.mul2])
        results.append(convert(x, op.round))
        clipped += op.round == "FP16" and 0x477FF000 <= x & 0x7FFFFFFF <= 0x7F800000
    scalar = fold(op.reduce, results) if n and op.reduce != "NONE" else None
    return results + [0] * (-n % 32 if op.pad32 else 0), scalar, clipped


def fold(mode, z):
    if mode == "SUM":
        partials = [0] * 8
        for i, x in enumerate(z):
            partials[i % 8] = add(partials[i % 8], x)
        p = partials
        return add(add(add(p[0], p[1]), add(p[2], p[3])), add(add(p[4], p[5]), add(p[6], p[7])))
    best = 0 if mode == "MAXABS" else MINUS_INFINITY
    for x in map(flushed, z):
        if mode == "MAXABS":
            x &= 0x7FFFFFFF
        if not is_nan(x) and np.uint32(x).view(np.float32) > np.uint32(best).view(np.float32):
            best = x
    return best


def check(op, a, b, s, s_a, n):
    got, scalar, clipped = execute(op, a, b, s=s, s_a=s_a, n=n)
    expected, expected_scalar, expected_clipped = loop(op, a, b, s, s_a, n)
    assert got.dtype == np.uint32
    assert got.tolist() == expected, op
    assert clipped == expected_clipped, op
    assert (None if scalar is None else int(scalar)) == expected_scalar, op


def test_every_combination_of_steps():
    rng = Random(3)
    a, b = patterns(rng, 1000), patterns(rng, 1000)
    for steps in itertools.product(*CHOICES.values()):
        op = VectorOp(**dict(zip(CHOICES, steps, strict=True)), imm0=int(rng.choice(a)),
                      imm1=int(rng.choice(a)))
        at = rng.randrange(990)
        check(op, a[at:at + 10], b[at:at + 10], int(rng.choice(a)), 0, 9)


def test_corners_through_every_step():
    a, b = (np.array(column, np.uint32) for column in zip(*itertools.product(CORNERS, CORNERS), strict=True))
    for name, choices in CHOICES.items():
        for choice in choices:
            check(VectorOp(**{name: choice}, imm0=0x3F800001, imm1=0x80000000), a, b, 0x7F800000, 0, len(a))


@pytest.mark.parametrize("reduce", ["SUM", "MAX", "MAXABS"])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 31, 32, 33, 200])
def test_lengths_flags_and_reductions(reduce, n):
    rng = Random(n)
    for flags in itertools.product((False, True), repeat=3):
        a, b = patterns(rng, n + 1), patterns(rng, n + 1)
        op = VectorOp(mul="B", reduce=reduce, **dict(zip(("swap", "a_scalar", "pad32"), flags, strict=True)))
        check(op, a, b, 0, int(rng.choice(a)), n)


@pytest.mark.parametrize("values", [
    (0x80000000, 0), (0, 0x80000000), (0x80000001, 1), (NAN,), (MINUS_INFINITY, NAN), (0xBF800000, 0x80000000, 0),
    (0x00800000, 0x80800001), (0x7F800000, MINUS_INFINITY)])
@pytest.mark.parametrize("reduce", ["SUM", "MAX", "MAXABS"])
def test_reductions_of_corner_values(values, reduce):
    z = np.array(values * 9, np.uint32)
    check(VectorOp(reduce=reduce), z, z, 0, 0, len(z))


def test_partial_sums_that_become_denormal_are_flushed_on_the_way():
    z = np.array([0x00800000] * 8 + [0x80800001] * 8 + [0x00800000] * 8, np.uint32)
    assert int(reduce_sum(z.view(np.float32)).view(np.uint32)) == fold("SUM", z.tolist())


def test_leading_axes_are_independent_commands():
    rng = Random(5)
    a, b, s = patterns(rng, 120).reshape(2, 3, 20), patterns(rng, 120).reshape(2, 3, 20), patterns(rng, 6).reshape(2, 3)
    for op in (VectorOp(mul="B", add="S", swap=True, reduce="SUM", pad32=True), VectorOp(mul="S", reduce="MAX"),
               VectorOp(a_scalar=True, mul="B", reduce="MAXABS")):
        results, scalars, _ = execute(op, a, b, s=s, s_a=s)
        for at in np.ndindex(2, 3):
            one, scalar, _ = execute(op, a[at], b[at], s=s[at], s_a=s[at])
            assert np.array_equal(results[at], one)
            assert scalars[at] == scalar


def test_operands_may_be_floats_and_unused_ones_missing():
    x = np.array([1, -2, 3], np.float32)
    results, _, _ = execute(VectorOp(mul="S"), x, s=np.float32(2))
    assert results.view(np.float32).tolist() == [2, -4, 6]
    results, _, _ = execute(VectorOp(a_scalar=True, mul="B"), b=x, s_a=np.float32(0.5))
    assert results.view(np.float32).tolist() == [0.5, -1, 1.5]


def test_missing_operands_are_refused():
    with pytest.raises(ValueError, match="neither an operand nor n"):
        execute(VectorOp())
    with pytest.raises(ValueError, match="operand a is missing"):
        execute(VectorOp(), b=np.zeros(3, np.uint32))


def test_unknown_name_is_refused():
    with pytest.raises(ValueError, match="mul='TWO', expected one of ONE, A"):
        VectorOp(mul="TWO")


def test_fast_enough_for_a_vocabulary():
    z = np.random.default_rng(1).normal(size=100_000).astype(np.float32)
    start = time.process_time()
    execute(VectorOp(mul="A", add="IMM", fn="EXP2", mul2="B", round="FP16", reduce="SUM"), z, z)
    reduce_max(z), reduce_maxabs(z)
    assert time.process_time() - start < 1
