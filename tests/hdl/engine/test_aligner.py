"""Blocks of activations to integers, against the golden model."""

import pytest
from dojang_hdl.engine.aligner import Aligner
from dojang_sim.benches.engine_units import check_aligner


@pytest.mark.parametrize(("contexts", "groups"), [(1, 24), (3, 8), (4, 1)])
@pytest.mark.parametrize("seed", [1, 2])
def test_aligner(contexts, groups, seed):
    check_aligner(Aligner, contexts, groups, seed)
