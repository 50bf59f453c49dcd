"""Activations, cap and norms: against float64, at the ends of the range, and as commands of the vector unit."""

import math

import numpy as np
import pytest
from dojang_sim.golden.activations import ACTIVATIONS, cap, gelu_erf, gelu_tanh, silu
from dojang_sim.golden.norms import normalise
from dojang_sim.golden.vector import VectorOp, execute

SWEEP = np.concatenate([np.linspace(-12, 12, 200_001), np.geomspace(1e-30, 1e30, 100_001),
                        -np.geomspace(1e-30, 1e30, 100_001)]).astype(np.float32)


def upper_tail(x):
    """1 - Φ(x), without cancellation."""
    return np.array([math.erfc(each / math.sqrt(2)) / 2 for each in x])


def logistic(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


EXACT = {
    "silu": lambda n: n * logistic(n),
    "gelu_tanh": lambda n: n * logistic(math.sqrt(8 / math.pi) * (n + 0.044715 * n ** 3)),
    "gelu_erf": lambda n: n * upper_tail(-n),
}


@pytest.mark.parametrize("name, absolute, positive, negative", [
    ("silu", 1.5e-7, 1.6e-7, 3.2e-7), ("gelu_tanh", 1.5e-7, 1.8e-7, 1e-6), ("gelu_erf", 3.1e-6, 1.1e-5, 0.02)])
def test_errors_of_activations(name, absolute, positive, negative):
    """``absolute``: in units of |n| where that is above 1; the others: relative, above 0 and from -4 to 0."""
    n = SWEEP.astype(float)
    exact, found = EXACT[name](n), ACTIVATIONS[name](SWEEP)
    error = np.abs(found - exact)

    def relative(of):
        return (error[of] / np.abs(exact[of])).max()

    for found, bound in (((error / np.maximum(1, np.abs(n))).max(), absolute), (relative(n > 0), positive),
                         (relative((n < 0) & (n > -4)), negative)):
        assert 0.8 * bound < found <= bound


@pytest.mark.parametrize("limit, factor", [(50.0, 0.0625), (30.0, 1.0), (1.0, 1.0), (1e-3, 2.0), (1e6, 1.0)])
def test_error_of_cap(limit, factor):
    s = np.concatenate([SWEEP * np.float32(limit / factor), SWEEP])
    error = np.abs(cap(s, limit, factor) - limit * np.tanh(s.astype(float) * factor / limit)) / limit
    assert 2e-7 < error.max() <= 3.6e-7


LARGEST, LEAST, DENORMAL = np.float32(3.4e38), np.float32(2.0 ** -126), np.float32(2.0 ** -130)


@pytest.mark.parametrize("function", [silu, gelu_tanh, gelu_erf])
def test_ends_of_activations(function):
    n = np.array([0, -0.0, np.inf, LARGEST, 1e20, -1e20, -LARGEST, DENORMAL, -DENORMAL, -np.inf, np.nan], np.float32)
    expected = np.array([0, -0.0, np.inf, LARGEST, 1e20, -0.0, -0.0, 0, -0.0, np.nan, np.nan], np.float32)
    found = function(n)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.array_equal(np.signbit(found[:9]), np.signbit(expected[:9]))
    assert function(2 * LEAST) == LEAST  # half of it, as long as that is normal
    # Nothing below 0 is larger than the minimum's magnitude, and nothing above 0 than itself.
    for values in (function(SWEEP[SWEEP < 0]), function(SWEEP[SWEEP > 0]) - SWEEP[SWEEP > 0]):
        assert values.min() >= -0.2785 and values.max() <= 0


def test_ends_of_cap():
    s = np.array([0, -0.0, np.inf, -np.inf, LARGEST, -LARGEST, DENORMAL, 1e-20, np.nan], np.float32)
    assert np.array_equal(cap(s, 30.0, 0.5), np.array([0, 0, 30, -30, 30, -30, 0, 0, np.nan], np.float32),
                          equal_nan=True)


def bits(value):
    return int(np.float32(value).view(np.uint32))


def command(a, b=None, s=0, **fields):
    """Results of one, float32, and what it leaves in the scalar register."""
    values, scalar, _ = execute(VectorOp(**fields), a=a, b=b, s=s)
    return values.view(np.float32), scalar


def sigmoid_times(t, n):
    e, _ = command(t, fn="EXP2")
    return command(e, n, add="IMM", fn="RECIP", mul2="B", imm1=bits(1))[0]


def silu_commands(n):
    e, _ = command(n, mul="IMM", fn="EXP2", imm0=bits(-1.4426950408889634))
    return command(e, n, add="IMM", fn="RECIP", mul2="B", imm1=bits(1))[0]


def gelu_tanh_commands(n):
    u, _ = command(n, mul="A")
    b = -2 * 1.4426950408889634 * 0.7978845608028654
    t, _ = command(u, n, mul="IMM", add="IMM", mul2="B", imm0=bits(b * 0.044715), imm1=bits(b))
    return sigmoid_times(t, n)


def gelu_erf_commands(n):
    u, _ = command(n, mul="A")
    p, _ = command(u, u, mul="IMM", add="IMM", mul2="B", imm0=bits(-3.228986932e-6), imm1=bits(8.823810288e-5))
    p, _ = command(p, u, add="IMM", mul2="B", imm1=bits(3.602746711e-4))
    p, _ = command(p, u, add="IMM", mul2="B", imm1=bits(-0.1052266879))
    t, _ = command(p, n, add="IMM", mul2="B", imm1=bits(-2.3020453905))
    return sigmoid_times(t, n)


@pytest.mark.parametrize("name, commands", [("silu", silu_commands), ("gelu_tanh", gelu_tanh_commands),
                                            ("gelu_erf", gelu_erf_commands)])
def test_activations_are_vector_commands(name, commands):
    assert np.array_equal(commands(SWEEP), ACTIVATIONS[name](SWEEP))


def test_cap_is_vector_commands():
    e, _ = command(SWEEP, mul="IMM", fn="EXP2", imm0=bits(2 * 1.4426950408889634 * 0.125 / 5))
    half, _ = command(e, add="IMM", fn="RECIP", imm1=bits(1))
    assert np.array_equal(command(half, mul="IMM", add="IMM", imm0=bits(-10), imm1=bits(5))[0], cap(SWEEP, 5.0, 0.125))


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_norms_are_vector_commands(centred, biased):
    rng = np.random.default_rng(6)
    x, gain, bias = rng.standard_normal((3, 300), np.float32) + np.float32(0.5)
    found = normalise(x, gain, 1e-5, centred, bias if biased else None)
    if centred:
        _, total = command(x, reduce="SUM")
        _, mean, _ = execute(VectorOp(mul="IMM", reduce="MAX", a_scalar=True, imm0=bits(-1 / 300)), s_a=total, n=1)
        x, _ = command(x, s=mean, add="S")
    _, total = command(x, mul="A", reduce="SUM")
    _, r, _ = execute(VectorOp(mul="IMM", add="IMM", fn="RSQRT", reduce="MAX", a_scalar=True, imm0=bits(1 / 300),
                               imm1=bits(1e-5)), s_a=total, n=1)
    y, _ = command(x, gain, s=r, mul="S", mul2="B")
    if biased:
        y, _ = command(y, bias, add="B")
    assert np.array_equal(found, y)


@pytest.mark.parametrize("centred", [False, True])
def test_norms_near_float64(centred):
    rng = np.random.default_rng(7)
    for scale, offset in ((1, 0), (1e3, 0), (1e-4, 0), (1, 30), (1e4, 1e4)):
        x = (scale * rng.standard_normal((5, 96)) + offset).astype(np.float32)
        gain, bias = rng.standard_normal((2, 96), np.float32)
        exact = x.astype(float) - (x.astype(float).mean(axis=1, keepdims=True) if centred else 0)
        exact = exact / np.sqrt((exact ** 2).mean(axis=1, keepdims=True) + 1e-5) * gain + bias
        assert np.abs(normalise(x, gain, 1e-5, centred, bias) - exact).max() < 2e-6 * max(1, abs(offset) / scale)


def test_a_constant_vector_is_zeros_when_centred():
    x = np.full((2, 64), 3.0, np.float32)
    assert np.array_equal(normalise(x, np.ones(64, np.float32), 1e-5, True, np.full(64, 2.0, np.float32)),
                          np.full((2, 64), 2.0))
