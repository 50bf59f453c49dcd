import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from dojang_hdl.arith import FloatAdd
from dojang_sim.benches.arith_vectors import corner_pairs, pairs
from dojang_sim.golden import fp


@pytest.mark.parametrize("short", (False, True))
def test_corners(run_unit, short):
    a, b = corner_pairs()
    got = run_unit(FloatAdd(short), a=a.view(np.uint32), b=b.view(np.uint32))
    np.testing.assert_array_equal(got, fp.add(a, b).view(np.uint32))


@pytest.mark.parametrize("short", (False, True))
def test_random(run_unit, short):
    a, b = pairs(np.random.default_rng(11), 1000)
    got = run_unit(FloatAdd(short), a=a.view(np.uint32), b=b.view(np.uint32))
    np.testing.assert_array_equal(got, fp.add(a, b).view(np.uint32))


def test_valid_left_unconnected_computes_every_cycle():
    m = Module()
    m.submodules.add = add = FloatAdd()

    async def bench(ctx):
        for value in range(20):
            ctx.set(add.a, int(np.float32(value).view(np.uint32)))
            ctx.set(add.b, int(np.float32(1).view(np.uint32)))
            await ctx.tick()
            if value >= add.latency:
                assert ctx.get(add.o) == int(np.float32(value - add.latency + 2).view(np.uint32))

    sim = Simulator(m)
    sim.add_clock(1e-8)
    sim.add_testbench(bench)
    sim.run()
