import numpy as np
from dojang_hdl.arith import FloatMul
from dojang_sim.benches.arith_vectors import corner_pairs, pairs
from dojang_sim.golden import fp


def test_corners(run_unit):
    a, b = corner_pairs()
    got = run_unit(FloatMul(), a=a.view(np.uint32), b=b.view(np.uint32))
    np.testing.assert_array_equal(got, fp.mul(a, b).view(np.uint32))


def test_random(run_unit):
    a, b = pairs(np.random.default_rng(12), 1000)
    got = run_unit(FloatMul(), a=a.view(np.uint32), b=b.view(np.uint32))
    np.testing.assert_array_equal(got, fp.mul(a, b).view(np.uint32))
