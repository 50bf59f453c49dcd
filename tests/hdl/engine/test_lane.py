"""Bit-planes of a row against integers."""

import pytest
from dojang_hdl.engine.lane import Lane
from dojang_sim.benches.engine_units import check_lane


@pytest.mark.parametrize("seed", range(4))
def test_lane(seed):
    check_lane(Lane, seed)
