"""Groups of activations to integers, rotated or not, against a model straight from the numerics page."""

import numpy as np
import pytest
from dojang_hdl.engine.group_aligner import GroupAligner
from dojang_hdl.engine.rotation import Rotation
from dojang_hdl.engine.rounding import Rounding
from dojang_sim.benches.group_aligner import (
    Run,
    check_group_aligner,
    check_rotation,
    check_rounding,
    random_run,
    reference,
)
from dojang_sim.golden.engine import align

KINDS = ((0, False), (1, False), (2, False), (1, True), (2, True))
"""log2 of the blocks of a group, and whether it is rotated."""

FEW_KINDS = [pytest.param(*kind, marks=() if kind in ((0, False), (2, True)) else pytest.mark.slow) for kind in KINDS]


@pytest.mark.parametrize("seed", [1, 2])
def test_rotation(seed):
    check_rotation(Rotation, seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_rounding(seed):
    check_rounding(Rounding, seed)


@pytest.mark.parametrize(("blocks", "rotated"), KINDS)
@pytest.mark.parametrize("contexts", [1, 3, 4])
def test_one_kind(contexts, blocks, rotated):
    rng = np.random.default_rng(contexts + 10 * blocks)
    check_group_aligner(GroupAligner, contexts, [
        random_run(rng, contexts, (24 >> blocks) // contexts + 1, blocks, rotated),
        random_run(rng, contexts, 3, blocks, rotated, longest_pause=60)], seed=1)


@pytest.mark.parametrize("contexts", [1, 3])
def test_kinds_after_each_other(contexts):
    rng = np.random.default_rng(5)
    runs = [random_run(rng, int(rng.integers(1, contexts + 1)), int(rng.integers(1, 4)), *KINDS[kind],
                       longest_pause=int(rng.choice([0, 30])))
            for kind in [0, 4, 1, 3, 0, 2, 4, 3, 0]]
    check_group_aligner(GroupAligner, contexts, runs, seed=2)


def test_consumer_that_lets_everything_fill_up():
    rng = np.random.default_rng(6)
    check_group_aligner(GroupAligner, 2, [
        random_run(rng, 2, 30, 0, False, longest_pause=200), random_run(rng, 1, 9, 2, True, longest_pause=200),
        random_run(rng, 2, 12, 1, True, longest_pause=200)], seed=3)


def test_many_contexts():
    rng = np.random.default_rng(7)
    check_group_aligner(GroupAligner, 8, [
        random_run(rng, active, 7 - blocks, blocks, True) for active, blocks in ((8, 2), (5, 1), (1, 2))], seed=4)


@pytest.mark.parametrize(("blocks", "rotated"), FEW_KINDS)
def test_groups_delivered_for_several_terms(blocks, rotated):
    rng = np.random.default_rng(8)
    check_group_aligner(GroupAligner, 2, [random_run(rng, 2, 7, blocks, rotated, terms=3),
                                          random_run(rng, 1, 3, blocks, rotated, terms=8, longest_pause=20)], seed=5)


SIGNS = np.array([1, -1] * 64, np.float32)
EXTREMES = {
    "largest sum": np.full(128, 32767),
    "smallest sum": np.full(128, -32767),
    "alternating": SIGNS * 32767,
    "exactly a negative power of two": np.full(128, -16384),
    "exactly a power of two": np.full(128, 16384),
    "rounded up to a power of two": np.full(128, 16384) - 4 * (np.arange(128) % 64 == 5),
    "an outlier": np.where(np.arange(128) == 77, 32767, SIGNS),
    "zeros": np.zeros(128),
    "negative zeros": -np.zeros(128),
    "denormals": np.full(128, 1e-40),
    "just too small": SIGNS * np.nextafter(2.0 ** -64, 0, dtype=np.float32),
    "smallest": SIGNS * 2.0 ** -64,
    "infinities": np.where(np.arange(128) % 3 == 0, np.inf, -np.inf),
    "an infinity": np.where(np.arange(128) == 3, -np.inf, SIGNS),
    "not a number": np.where(np.arange(128) == 3, np.nan, SIGNS),
    "no number at all": np.full(128, np.nan),
}


@pytest.mark.parametrize(("blocks", "rotated"), FEW_KINDS)
def test_extremes(blocks, rotated):
    x = np.concatenate(list(EXTREMES.values())).astype(np.float32)
    check_group_aligner(GroupAligner, 2, [Run(np.array([x, x[::-1]]), blocks, rotated)], seed=6)


def test_finite_activations_raise_nothing():
    check_group_aligner(GroupAligner, 1, [Run(EXTREMES["largest sum"].astype(np.float32)[None], 2, True)], seed=7)


@pytest.mark.parametrize(("blocks", "rotated"), KINDS)
def test_golden_model_agrees(blocks, rotated):
    rng = np.random.default_rng(9)
    x = np.concatenate([random_run(rng, 1, 60, blocks, rotated).x[0], *EXTREMES.values()]).astype(np.float32)
    q, exponent, total = align(x, 32 << blocks, rotated)
    for number, group in enumerate(x.reshape(len(q), -1)):
        assert (q[number].tolist(), exponent[number], total[number]) == reference(group, rotated), group
