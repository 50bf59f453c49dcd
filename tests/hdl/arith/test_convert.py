import gc

import numpy as np
import pytest
from dojang_hdl.arith import IntToFloat, RoundTo
from dojang_hdl.isa import Round
from dojang_sim.benches.arith_vectors import CORNERS, floats, integers
from dojang_sim.golden import fp


@pytest.mark.parametrize("width", [2, 3, 8, 16, 24, 25, 26, 40, 64])
def test_int_to_float(run_unit, width):
    rng = np.random.default_rng(width)
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    corners = [low, low + 1, high, high - 1, 0, 0, 1, -1]
    a = np.concatenate([np.array(corners, np.int64), integers(rng, 200, width)])
    e = rng.integers(-200, 100, len(a))
    e[:8], e[5] = 0, 511
    got = run_unit(IntToFloat(width), a=a, e=e)
    np.testing.assert_array_equal(got, fp.from_int(a, e).view(np.uint32))


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("width", [0, 1, 65])
def test_int_to_float_names_a_bad_width(width):
    with pytest.raises(ValueError, match=f"width={width}"):
        IntToFloat(width)
    gc.collect()  # Amaranth warns of the half-made component when it goes


@pytest.mark.parametrize("mode", Round)
def test_round_to(run_unit, mode):
    a = np.concatenate([CORNERS, floats(np.random.default_rng(13), 500)])
    got, saturated = run_unit(RoundTo(), flag="saturated", a=a.view(np.uint32), mode=[mode] * len(a))
    expected = {
        Round.NONE: a,
        Round.FP16: fp.round_fp16(a),
        Round.INT8: fp.round_int8(a).astype(np.int32),
    }[mode]
    np.testing.assert_array_equal(got, expected.view(np.uint32))
    assert saturated == [mode == Round.FP16 and fp.clipped(value) == 1 for value in a]


def test_what_counts_as_saturated(run_unit):
    values = [0x477FE000, 0x477FEFFF, 0x477FF000, 0x7F7FFFFF, 0x7F800000, 0x7FC00000, 0x007FFFFF, 0]
    bits = [value | sign for value in values for sign in (0, 1 << 31)]
    _, saturated = run_unit(RoundTo(), flag="saturated", a=bits, mode=[Round.FP16] * len(bits))
    assert saturated == [False] * 4 + [True] * 6 + [False] * 6
