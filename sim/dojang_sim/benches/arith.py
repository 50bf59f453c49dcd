"""cocotb bench of `ArithHarness`: random operands with random gaps, every unit bit for bit against its model.

Environment: ``ARITH_COUNT`` operations, ``ARITH_SEED``.
"""

import os
from dataclasses import dataclass

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, with_timeout

from dojang_sim.benches.arith_harness import UNITS, WIDTH
from dojang_sim.benches.arith_vectors import integers, pairs
from dojang_sim.golden import fp, special

PERIOD = 10
PASS, EXP2, RECIP, RSQRT = range(4)
FP16, INT8 = 1, 2


@dataclass
class Operands:
    a: np.ndarray
    b: np.ndarray
    integer: np.ndarray
    e: np.ndarray
    select: np.ndarray

    @classmethod
    def random(cls, rng, count):
        a, b = pairs(rng, count)
        integer = integers(rng, count, WIDTH)
        # A quarter of the scales spans everything, the others stay where most results are normal.
        e = np.where(rng.integers(0, 4, count) == 0, rng.integers(-512, 512, count), rng.integers(-160, 100, count))
        return cls(a, b, integer, e, rng.integers(0, 4, count))


def model(operands: Operands) -> dict[str, np.ndarray]:
    """Results of every unit as bit patterns, and RoundTo's flag."""
    a, select = operands.a, operands.select
    bits = a.view(np.uint32)
    half, codes = fp.round_fp16(a).view(np.uint32), fp.round_int8(a).astype(np.int32).view(np.uint32)
    functions = [f(a).view(np.uint32) for f in (special.exp2, special.recip, special.rsqrt)]
    return {
        "add": fp.add(a, operands.b).view(np.uint32),
        "mul": fp.mul(a, operands.b).view(np.uint32),
        "from_int": fp.from_int(operands.integer, operands.e).view(np.uint32),
        "round": np.select([select == FP16, select == INT8], [half, codes], bits),
        "saturated": (select == FP16) & np.array([fp.clipped(value) for value in a], bool),
        "special": np.select([select == EXP2, select == RECIP, select == RSQRT], functions, bits),
    }


async def drive(dut, operands: Operands, rng):
    """One operation a cycle, with random gaps that carry garbage operands."""
    columns = zip(operands.a.view(np.uint32).tolist(), operands.b.view(np.uint32).tolist(), operands.integer.tolist(),
                  operands.e.tolist(), operands.select.tolist(), strict=True)
    gaps = iter(np.where(rng.integers(0, 8, len(operands.a)) == 0, rng.geometric(0.3, len(operands.a)), 0).tolist())
    for a, b, integer, e, select in columns:
        for _ in range(next(gaps)):
            dut.i_valid.value = 0
            dut.a.value = ~a & 0xFFFFFFFF
            await FallingEdge(dut.clk)
        dut.i_valid.value = 1
        dut.a.value, dut.b.value = a, b
        dut.integer.value, dut.e.value, dut.select.value = integer & (1 << WIDTH) - 1, e & 0x3FF, select
        await FallingEdge(dut.clk)
    dut.i_valid.value = 0


async def monitor(dut, count: int) -> dict[str, np.ndarray]:
    """Collects ``count`` results of every unit, and RoundTo's flag."""
    results, saturated = [[] for _ in UNITS], []
    while any(len(seen) < count for seen in results):
        valid, o, flag = int(dut.valid.value), int(dut.o.value), int(dut.saturated.value)
        if valid >> UNITS.index("round") & 1:
            saturated.append(flag)
        else:
            assert not flag, "saturated without a result"
        for k, seen in enumerate(results):
            if valid >> k & 1:
                seen.append(o >> 32 * k & 0xFFFFFFFF)
        await FallingEdge(dut.clk)
    return {name: np.array(seen, np.uint32)
            for name, seen in zip((*UNITS, "saturated"), (*results, saturated), strict=True)}


def check(operands: Operands, expected, got):
    """Raises with the first differing operation of a unit."""
    for name in expected:
        assert len(got[name]) == len(expected[name]), f"{name}: {len(got[name])} results"
        wrong = np.flatnonzero(got[name] != expected[name])
        if len(wrong):
            i = wrong[0]
            raise AssertionError(
                f"{name}: {len(wrong)} differ; first, operation {i}: a={operands.a.view(np.uint32)[i]:08x} "
                f"b={operands.b.view(np.uint32)[i]:08x} integer={operands.integer[i]} e={operands.e[i]} "
                f"select={operands.select[i]}: {got[name][i]:08x}, expected {expected[name][i]:08x}")


@cocotb.test()
async def random_operations(dut):
    rng = np.random.default_rng(int(os.environ["ARITH_SEED"]))
    count = int(os.environ["ARITH_COUNT"])
    operands = Operands.random(rng, count)

    dut.i_valid.value = 0
    dut.rst.value = 1
    cocotb.start_soon(Clock(dut.clk, PERIOD, unit="ns", impl="gpi").start())
    for _ in range(20):  # longer than every pipeline: the valid bits are in reset, the data registers are not
        await FallingEdge(dut.clk)
    dut.rst.value = 0

    cocotb.start_soon(drive(dut, operands, rng))
    got = await with_timeout(monitor(dut, count), 4 * PERIOD * (count + 100), "ns")
    check(operands, model(operands), got)
