"""Sampling: greedy ties, temperature against the softmax, the top-p cut, reproducibility."""

import numpy as np
import pytest
from dojang.sampling import CANDIDATES, Sampler, best_candidates

IDS = np.array([50, 7, 9, 3])
LOGITS = np.array([1.0, 2.0, 2.0, -1.0], np.float32)


def test_greedy_takes_the_largest_and_of_equals_the_smallest_id():
    assert Sampler().choose(IDS, LOGITS) == 7
    assert Sampler().choose(IDS[::-1], LOGITS[::-1]) == 7


def draws(sampler, count=4000, ids=IDS, logits=LOGITS):
    return np.array([sampler.choose(ids, logits) for _ in range(count)])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_frequencies_are_the_softmax(temperature):
    found = draws(Sampler(temperature, seed=1))
    expected = np.exp(LOGITS / temperature) / np.exp(LOGITS / temperature).sum()
    for token, share in zip(IDS, expected, strict=True):
        assert abs((found == token).mean() - share) < 5 * np.sqrt(share * (1 - share) / len(found)) + 1e-9


@pytest.mark.parametrize("top_p, kept", [(0.01, {7}), (0.4, {7}), (0.5, {7, 9}), (0.8, {7, 9}), (0.9, {7, 9, 50}),
                                         (1.0, {7, 9, 50, 3})])
def test_top_p_keeps_the_smallest_sufficient_set(top_p, kept):
    assert set(draws(Sampler(1.0, top_p, seed=2))) == kept  # shares .42, .42, .15, .02


def test_same_seed_same_text_whatever_the_order_and_number_of_candidates():
    rng = np.random.default_rng(3)
    logits = rng.standard_normal(500).astype(np.float32)
    few, many = best_candidates(logits, CANDIDATES), best_candidates(logits, 64)
    shuffled = rng.permutation(64)
    for seed in range(50):
        expected = Sampler(1.5, 0.9, seed).choose(*few)
        assert Sampler(1.5, 0.9, seed).choose(many[0][shuffled], many[1][shuffled]) == expected


def test_best_candidates_are_sorted_and_ties_are_by_id():
    ids, values = best_candidates(np.array([1, 5, 5, 0, 9], np.float32), 4)
    assert ids.tolist() == [4, 1, 2, 0] and values.tolist() == [9, 5, 5, 1]


@pytest.mark.parametrize("levels", [1, 3, 40, 1 << 20])
@pytest.mark.parametrize("size", [1, 15, 16, 17, 3000])
def test_best_candidates_are_the_first_of_all_in_order(size, levels):
    logits = np.random.default_rng(levels).integers(0, levels, size).astype(np.float32)
    ids, values = best_candidates(logits)
    expected = np.lexsort((np.arange(size), -logits))[:CANDIDATES]
    np.testing.assert_array_equal(ids, expected)
    np.testing.assert_array_equal(values, logits[expected])


@pytest.mark.parametrize("arguments, message", [((-1.0,), "temperature=-1.0, expected 0 or more"),
                                                ((float("nan"),), "temperature=nan"), ((1.0, 0.0), "top_p=0.0"),
                                                ((1.0, 1.5), "top_p=1.5, expected more than 0 and at most 1")])
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        Sampler(*arguments)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1e-300, 5e-324])
def test_next_to_greedy_without_a_warning(temperature):
    assert Sampler(temperature, 1.0, 1).choose(np.arange(3), np.array([1.0, 9.0, 2.0])) == 1
