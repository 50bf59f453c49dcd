import numpy as np
import pytest
from dojang_hdl.arith import Special
from dojang_hdl.arith.special_table import special_table
from dojang_hdl.isa import Fn
from dojang_sim.benches.arith_vectors import CORNERS, floats
from dojang_sim.golden import special


def test_table_equals_the_golden_model_s():
    """Computed to 40 decimal digits here, in float64 there."""
    golden = np.concatenate([special.table(name) for name in ("exp2", "recip", "rsqrt_even", "rsqrt_odd")])
    np.testing.assert_array_equal(special_table(), golden)


@pytest.mark.parametrize("fn", Fn)
def test_special(run_unit, fn):
    a = np.concatenate([CORNERS, floats(np.random.default_rng(14), 500)])
    got = run_unit(Special(), a=a.view(np.uint32), fn=[fn] * len(a))
    expected = {Fn.NONE: np.copy, Fn.EXP2: special.exp2, Fn.RECIP: special.recip, Fn.RSQRT: special.rsqrt}[fn](a)
    np.testing.assert_array_equal(got, expected.view(np.uint32))
