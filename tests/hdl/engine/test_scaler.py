"""Integers times FP16 scales plus offsets, to FP32."""

import pytest
from dojang_hdl.engine.scaler import Scaler
from dojang_sim.benches.engine_units import check_scaler


@pytest.mark.parametrize("seed", range(3))
def test_scaler(seed):
    check_scaler(Scaler, seed)
