"""The command sequences of docs/reference/vector-unit.md on the RTL, against the formulas of numerics.md."""

import numpy as np
import pytest
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round
from dojang_hdl.vector import VectorUnit
from dojang_sim.benches.vector_commands import RX, VectorMachine
from dojang_sim.benches.vector_run import run_commands
from dojang_sim.golden import fp, special
from dojang_sim.golden.activations import cap, gelu_erf, gelu_tanh
from dojang_sim.golden.norms import normalise
from dojang_sim.golden.vector import reduce_maxabs, reduce_sum

WORDS = 256
X, Y, T, OUT = 0x00, RX | 0x20, 0x40, 0x60
N = 50
pytestmark = pytest.mark.parametrize("lanes", (1, pytest.param(4, marks=pytest.mark.slow)))


def bits(number) -> int:
    return int(np.float32(number).view(np.uint32))


def vectors(seed):
    rng = np.random.default_rng(seed)
    return (rng.normal(size=N) * 3).astype(np.float32), rng.normal(size=N).astype(np.float32)


def execute(lanes, commands, vectors):
    """Run on the RTL; returns elements of the LOCAL bank, the scalar file and the busy cycles."""
    machine = VectorMachine(WORDS)
    for address, values in vectors.items():
        at = (address & ~RX) * 4
        machine.banks[address >> 15, at:at + len(values)] = values.view(np.uint32)
    cycles = run_commands(VectorUnit(lanes), commands, machine)
    for command in commands:
        machine.execute(command)
    return machine.banks[0], machine.scalars, cycles


def result(bank, address, count=N):
    return bank[address * 4:address * 4 + count]


def takes(lanes, more):
    """Cycles of a command of N elements, ``more`` beyond them with one lane."""
    return more + (N if lanes == 1 else -(-N // 4))


def sums(lanes, more):
    """The same of one that ends with `SUM`: two elements per cycle, and a shorter tail."""
    return more + (N if lanes == 1 else -(-N // 2) - 15)


def one(s_a, s_out, **steps):
    return {"n": 1, "a_scalar": 1, "s_a": s_a, "s_out": s_out, "reduce": Reduce.MAX, **steps}


def test_rmsnorm(lanes):
    x, gain = vectors(1)
    bank, _, cycles = execute(lanes, [
        {"n": N, "a": X, "mul": Mul.A, "reduce": Reduce.SUM, "s_out": 0},
        one(0, 1, mul=Mul.IMM, imm0=bits(1 / N), add=Add.IMM, imm1=bits(1e-5), fn=Fn.RSQRT),
        {"n": N, "a": X, "b": Y, "d": OUT, "mul": Mul.S, "s": 1, "mul2": Mul2.B, "round": Round.FP16, "store": 1},
    ], {X: x, Y: gain})
    r = special.rsqrt(fp.add(fp.mul(reduce_sum(fp.mul(x, x)), np.float32(1 / N)), np.float32(1e-5)))
    expected = fp.round_fp16(fp.mul(fp.mul(x, r), gain))
    assert np.array_equal(result(bank, OUT), expected.view(np.uint32))
    assert cycles == [sums(lanes, 55), 41, takes(lanes, 27)]


def test_rotary(lanes):
    q, angles = vectors(2)
    c, s = np.cos(angles), np.sin(angles)
    bank, _, cycles = execute(lanes, [
        {"n": N, "a": X, "b": Y + 16, "d": T, "swap": 1, "mul": Mul.B, "store": 1},
        {"n": N, "a": X, "b": Y, "d": X, "mul": Mul.B, "store": 1},
        {"n": N, "a": X, "b": T, "d": X, "add": Add.B, "round": Round.FP16, "store": 1},
    ], {X: q, Y: c, Y + 16: s})
    swapped = q.reshape(-1, 2)[:, ::-1].reshape(-1)
    expected = fp.round_fp16(fp.add(fp.mul(q, c), fp.mul(swapped, s)))
    assert np.array_equal(result(bank, X), expected.view(np.uint32))
    assert cycles == [takes(lanes, 16), takes(lanes, 16), takes(lanes, 20)]


def test_softmax(lanes):
    scores, scales = vectors(3)
    c = np.float32(0.18)
    bank, _, cycles = execute(lanes, [
        {"n": N, "a": X, "reduce": Reduce.MAX, "s_out": 0},
        one(0, 1, mul=Mul.IMM, imm0=bits(-c)),
        {"n": N, "a": X, "d": T, "mul": Mul.IMM, "imm0": bits(c), "add": Add.S, "s": 1, "fn": Fn.EXP2, "store": 1,
         "reduce": Reduce.SUM, "s_out": 2},
        one(2, 3, fn=Fn.RECIP),
        {"n": N, "a": T, "b": Y, "d": OUT, "mul": Mul.S, "s": 3, "mul2": Mul2.B, "pad32": 1, "store": 1},
    ], {X: scores, Y: scales})
    e = special.exp2(fp.add(fp.mul(scores, c), fp.mul(scores.max(), -c)))
    expected = fp.mul(fp.mul(e, special.recip(reduce_sum(e))), scales)
    assert np.array_equal(result(bank, OUT), expected.view(np.uint32))
    assert not result(bank, OUT, 64)[N:].any()
    assert cycles == [takes(lanes, 11), 19, sums(lanes, 77), 27, takes(lanes, 23 + 3)]


def test_silu_and_gate(lanes):
    g, u = vectors(4)
    log2e = np.float32(-np.log2(np.e))
    bank, _, cycles = execute(lanes, [
        {"n": N, "a": X, "d": T, "mul": Mul.IMM, "imm0": bits(log2e), "fn": Fn.EXP2, "store": 1},
        {"n": N, "a": T, "b": X, "d": T, "add": Add.IMM, "imm1": bits(1), "fn": Fn.RECIP, "mul2": Mul2.B, "store": 1},
        {"n": N, "a": T, "b": Y, "d": OUT, "mul": Mul.B, "round": Round.FP16, "store": 1},
    ], {X: g, Y: u})
    gate = special.recip(fp.add(special.exp2(fp.mul(g, log2e)), np.float32(1)))
    expected = fp.round_fp16(fp.mul(fp.mul(gate, g), u))
    assert np.array_equal(result(bank, OUT), expected.view(np.uint32))
    assert np.allclose(expected, g / (1 + np.exp(-g.astype(float))) * u, rtol=1e-3)
    assert cycles == [takes(lanes, 31), takes(lanes, 38), takes(lanes, 20)]


def test_layer_norm(lanes):
    x, gain = vectors(6)
    bias = np.float32(0.5) * gain[::-1]
    bank, _, cycles = execute(lanes, [
        {"n": N, "a": X, "reduce": Reduce.SUM, "s_out": 0},
        one(0, 2, mul=Mul.IMM, imm0=bits(-1 / N)),
        {"n": N, "a": X, "d": OUT, "add": Add.S, "s": 2, "store": 1},
        {"n": N, "a": OUT, "mul": Mul.A, "reduce": Reduce.SUM, "s_out": 0},
        one(0, 1, mul=Mul.IMM, imm0=bits(1 / N), add=Add.IMM, imm1=bits(1e-5), fn=Fn.RSQRT),
        {"n": N, "a": OUT, "b": Y, "d": OUT, "mul": Mul.S, "s": 1, "mul2": Mul2.B, "store": 1},
        {"n": N, "a": OUT, "b": Y + 16, "d": OUT, "add": Add.B, "round": Round.FP16, "store": 1},
    ], {X: x, Y: gain, Y + 16: bias})
    expected = fp.round_fp16(normalise(x, gain, 1e-5, True, bias))
    assert np.array_equal(result(bank, OUT), expected.view(np.uint32))
    exact = x.astype(float) - x.astype(float).mean()
    assert np.allclose(expected, exact / np.sqrt((exact**2).mean() + 1e-5) * gain + bias, atol=2e-3)
    assert cycles[:3] == [sums(lanes, 48), 19, takes(lanes, 16)] and cycles[-1] == takes(lanes, 20)


TANH = -2 * np.log2(np.e) * np.sqrt(2 / np.pi)


@pytest.mark.parametrize("function, coefficients", [
    (gelu_tanh, (TANH * 0.044715, TANH)),
    (gelu_erf, (-3.228986932e-6, 8.823810288e-5, 3.602746711e-4, -0.1052266879, -2.3020453905))])
def test_gelu(lanes, function, coefficients):
    g, _ = vectors(7)
    first, second, *others = map(bits, coefficients)
    steps = [{"a": T, "b": T + 16, "d": T, "mul": Mul.B, "add": Add.IMM, "imm1": each} for each in others]
    bank, _, cycles = execute(lanes, [{"n": N, "store": 1, **step} for step in (
        {"a": X, "d": T + 16, "mul": Mul.A},
        {"a": T + 16, "d": T, "mul": Mul.IMM, "imm0": first, "add": Add.IMM, "imm1": second},
        *steps,
        {"a": T, "b": X, "d": T, "mul": Mul.B, "fn": Fn.EXP2},
        {"a": T, "b": X, "d": T, "add": Add.IMM, "imm1": bits(1), "fn": Fn.RECIP, "mul2": Mul2.B})], {X: g})
    assert np.array_equal(result(bank, T), function(g).view(np.uint32))
    assert cycles == [takes(lanes, 16), *[takes(lanes, 23)] * (1 + len(others)), takes(lanes, 31), takes(lanes, 38)]


def test_cap(lanes):
    s, _ = vectors(8)
    bank, _, cycles = execute(lanes, [{"n": N, "a": X, "d": X, "store": 1, **step} for step in (
        {"mul": Mul.IMM, "imm0": bits(2 * np.log2(np.e) * 0.25 / 1.5), "fn": Fn.EXP2},
        {"add": Add.IMM, "imm1": bits(1), "fn": Fn.RECIP},
        {"mul": Mul.IMM, "imm0": bits(-3), "add": Add.IMM, "imm1": bits(1.5)})], {X: s})
    assert np.array_equal(result(bank, X), cap(s, 1.5, 0.25).view(np.uint32))
    assert np.allclose(cap(s, 1.5, 0.25), 1.5 * np.tanh(s.astype(float) * 0.25 / 1.5), atol=1e-6)
    assert cycles == [takes(lanes, 31), takes(lanes, 31), takes(lanes, 23)]


@pytest.mark.parametrize("rounding", [Round.NONE, Round.FP16])
@pytest.mark.parametrize("zero", [False, True])
def test_int8(lanes, rounding, zero):
    x = vectors(5)[0] * np.float32(not zero)
    bank, scalars, cycles = execute(lanes, [
        {"n": N, "a": X, "reduce": Reduce.MAXABS, "s_out": 0},
        one(0, 1, mul=Mul.IMM, imm0=bits(1 / 127), round=rounding),
        one(1, 2, fn=Fn.RECIP),
        {"n": N, "a": X, "d": OUT, "mul": Mul.S, "s": 2, "round": Round.INT8, "store": 1},
    ], {X: x})
    scale = fp.mul(reduce_maxabs(x), np.float32(1 / 127))
    scale = fp.round_fp16(scale) if rounding == Round.FP16 else scale
    codes = fp.round_int8(fp.mul(x, special.recip(scale)))
    assert scalars[1] == bits(scale)
    assert np.array_equal(result(bank, OUT).view(np.int32), codes)
    assert bool(codes.any()) != zero
    assert cycles == [takes(lanes, 11), 19 if rounding == Round.NONE else 23, 27, takes(lanes, 20)]
