"""The whole engine in Amaranth's own simulator, on small products."""

import pytest
from dojang_hdl.engine import Engine
from dojang_sim.benches.engine_units import (
    check_coded_engine,
    check_coded_throughput,
    check_engine,
    check_late_scales,
    check_many_contexts,
    check_revisits,
    check_throughput,
)


@pytest.mark.parametrize(("lanes", "contexts"), [(1, 2), pytest.param(2, 6, marks=pytest.mark.slow), (4, 8)])
def test_small_products(lanes, contexts):
    check_engine(Engine, lanes, contexts, cases=4, seed=lanes)


def test_more_contexts_than_rows_of_a_word():
    check_many_contexts(Engine, 9)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_a_row_waits_for_its_sum_of_the_group_before(lanes):
    check_revisits(Engine, lanes)


@pytest.mark.parametrize("lanes", [*(pytest.param(lanes, marks=pytest.mark.slow) for lanes in (1, 2)), 4])
def test_few_rows_whose_scales_are_late(lanes):
    check_late_scales(Engine, lanes)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_no_cycle_is_lost_between_groups(lanes):
    check_throughput(Engine, lanes)


@pytest.mark.parametrize(("lanes", "contexts"), [pytest.param(1, 1, marks=pytest.mark.slow),
                                                   pytest.param(2, 3, marks=pytest.mark.slow), (4, 1)])
def test_small_coded_products(lanes, contexts):
    check_coded_engine(Engine, lanes, contexts, seed=lanes)


@pytest.mark.parametrize("lanes", [*(pytest.param(lanes, marks=pytest.mark.slow) for lanes in (1, 2)), 4])
def test_blocks_before_the_last_do_not_wait_for_the_serializer(lanes):
    check_coded_throughput(Engine, lanes)
