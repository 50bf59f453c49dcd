"""Lock step against a fixed rate: the simulation against exact expectations, and masks of matrices."""

from fractions import Fraction
from itertools import pairwise
from math import comb, sqrt

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.lockstep import (
    BLOCKS,
    SPARSITIES,
    UNITS,
    Block,
    LockstepError,
    expected_time,
    magnitude_counts,
    model_counts,
    random_counts,
    relative_time,
    simulate,
)


@pytest.mark.parametrize("n, p, units", [
    (8, Fraction(1, 2), 4), (32, Fraction(1, 10), 64), (16, Fraction(1, 20), 256)])
def test_the_expectation_is_that_of_the_largest_of_binomials(n, p, units):
    below, expected = Fraction(0), Fraction(0)
    for k in range(n):
        below += comb(n, k) * p ** k * (1 - p) ** (n - k)
        expected += 1 - below ** units
    assert expected_time(Block(1, n), float(1 - p), units) == pytest.approx(float(expected / (n * p)), rel=1e-10)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("units", UNITS)
def test_random_masks_reach_the_expectation(block, units):
    steps = 400
    counts = random_counts(block, SPARSITIES, steps * units, seed=3)
    for sparsity, found in counts.items():
        deviation = found.reshape(steps, units).max(axis=1).std() / found.mean() / sqrt(steps)
        assert abs(relative_time(found, units) - expected_time(block, sparsity, units)) < 5 * deviation


def test_a_step_lasts_as_long_as_its_fullest_block():
    assert relative_time(np.array([1, 5, 2, 2]), 2) == (5 + 2) / 2 / 2.5
    assert relative_time(np.array([1, 5, 3]), 2) == (5 + 3) / 2 / 3      # a unit is idle in the last step
    assert relative_time(np.array([4, 4, 4, 4]), 4) == 1
    assert relative_time(np.array([1, 2, 3]), 1) == 1


def test_the_smallest_magnitudes_of_a_matrix_are_pruned():
    weights = np.array([[-8, 1, 2, 7, 9],
                        [3, -4, 5, 6, 0]], np.float32)
    columns, matrix = magnitude_counts(weights, [0.8, 0.5], [Block(1, 2), Block(2, 8)])
    assert columns[0.5].tolist() == [1, 0, 1, 2, 1, 0]       # down the rows of the first two columns, then the next
    assert columns[0.8].tolist() == [1, 0, 0, 0, 1, 0]
    assert (matrix[0.5].tolist(), matrix[0.8].tolist()) == ([5], [2])


def test_equal_magnitudes_are_pruned_as_far_as_needed():
    (counts,) = magnitude_counts(np.ones((8, 8), np.float32), [0.25], [Block(2, 2)])
    assert counts[0.25].sum() == 48


def test_one_weight_survives_at_least():
    (counts,) = magnitude_counts(np.ones((1, 2), np.float32), [0.95], [Block(1, 1)])
    assert counts[0.95].sum() == 1


def test_every_matrix_of_a_model_is_pruned_by_itself():
    checkpoint, seen = load("glassllm"), []
    shape = checkpoint.shape
    (counts,) = model_counts(checkpoint, [0.75], [Block(32, 32)], seen.append)
    sizes = [rows * cols for rows, cols in shape.matrices().values()] * shape.layers
    assert counts[0.75].sum() == sum(size - round(0.75 * size) for size in sizes)
    assert len(seen) == shape.layers


def test_masks_of_a_model_are_less_even_than_random_ones():
    figures = simulate([4, 64], [0.7, 0.9], BLOCKS, 1 << 14, 0, load("glassllm"))
    curves = {(curve["mask"], curve["block"], curve["sparsity"]): curve for curve in figures["curves"]}
    assert len(curves) == 8 and figures["model"] == "glassllm"
    for (mask, *key), curve in curves.items():
        assert all(a < b for a, b in pairwise([1, *curve["time"]]))
        if mask == "random":
            assert curves["glassllm", *key]["spread"] > curve["spread"]
            assert curve["expected"] == pytest.approx(curve["time"], rel=0.03)


def test_the_seed_decides():
    def run(seed):
        return simulate([4], [0.5], [Block(1, 32)], 100, seed)

    assert run(1) == run(1) and run(1)["curves"] != run(2)["curves"]


@pytest.mark.parametrize("text", ["32", "0x32", "32x", "x", "32x32x2", "-1x4", "2048x1", "²x2"])
def test_blocks_that_are_none(text):
    with pytest.raises(LockstepError, match=f"a block of '{text}' was asked for, expected ROWSxCOLUMNS"):
        Block.parse(text)


def test_nothing_survives():
    with pytest.raises(LockstepError, match=r"no weight of random survives a sparsity of 0\.99"):
        simulate([4], [0.99], [Block(1, 1)], 1, 0)
