"""The rotation against its definition."""

import numpy as np
import pytest
from dojang.compress.rotation import flip_columns, flip_rows, hadamard, rotate_hessian, signs


def definition(block):
    return np.array([[(-1) ** (i & j).bit_count() for j in range(block)] for i in range(block)])


@pytest.mark.parametrize("cols, block", [(64, 64), (192, 64), (100, 64), (1, 64), (48, 16), (70, 32)])
def test_product_is_kept(cols, block):
    rng = np.random.default_rng(cols)
    weights, x = rng.standard_normal((7, cols)).astype(np.float32), rng.standard_normal(cols)
    rotated = hadamard(weights, block)
    padded = np.zeros(-(-cols // block) * block)
    padded[:cols] = x
    inputs = (padded.reshape(-1, block) @ definition(block)).reshape(-1) / np.sqrt(block)
    assert rotated.dtype == np.float32 and rotated.shape == (7, len(padded))
    np.testing.assert_allclose(rotated @ inputs, weights @ x, rtol=1e-5, atol=1e-5)


def test_twice_is_the_identity():
    weights = np.random.default_rng(1).standard_normal((5, 576)).astype(np.float32)
    np.testing.assert_allclose(hadamard(hadamard(weights)), weights, atol=1e-6)


def test_one_weight_spreads_over_its_block_only():
    weights = np.zeros((1, 192), np.float32)
    weights[0, 64 + 3] = 8
    np.testing.assert_array_equal(hadamard(weights)[0].reshape(3, 64), [np.zeros(64), definition(64)[3], np.zeros(64)])


def test_hessian_is_that_of_the_rotated_inputs():
    inputs = np.random.default_rng(2).standard_normal((50, 100)).astype(np.float32)
    rotated = hadamard(inputs)
    np.testing.assert_allclose(rotate_hessian(inputs.T @ inputs), rotated.T @ rotated, rtol=1e-4, atol=1e-3)


def test_signs_are_the_same_everywhere():
    flips = signs(1000, 7)
    assert flips.dtype == np.float32 and set(np.unique(flips)) == {-1, 1} and 400 < (flips > 0).sum() < 600
    np.testing.assert_array_equal(signs(16, 7), flips[:16])
    assert "".join("+" if flip > 0 else "-" for flip in flips[:16]) == "---++-+--+++++--"
    assert (signs(1000, 8) != flips).any()


def test_flips():
    rng = np.random.default_rng(3)
    weights, x, columns, rows = rng.standard_normal((4, 6)), rng.standard_normal(6), signs(6, 1), signs(4, 2)
    np.testing.assert_allclose(flip_columns(weights, columns) @ (columns * x), weights @ x)
    np.testing.assert_allclose(flip_rows(weights, rows) @ x, rows * (weights @ x))


def test_block_must_be_a_power_of_two():
    with pytest.raises(ValueError, match="block is 48, expected a power of two"):
        hadamard(np.zeros((1, 96)), 48)
