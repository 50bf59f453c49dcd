"""The emulator's reading of plane streams, against single bits."""

import numpy as np
import pytest
from dojang_sim.golden.streams import insert_value, lane_words, unpack_planes, unpack_scales


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("signed", [False, True])
def test_one_bit_is_one_code(lanes, signed):
    rows, groups, bits = 8, 2, 3
    rng = np.random.default_rng(lanes)
    for _ in range(50):
        row, group, plane, column = (int(rng.integers(k)) for k in (rows, groups, bits, 32))
        unit, lane = divmod(row, lanes)
        word = ((group * (rows // lanes) + unit) * bits + (bits - 1 - plane)) * lanes + lane
        stream = np.zeros(rows * groups * bits * 4, np.uint8)
        stream[4 * word + column // 8] = 1 << column % 8
        expected = np.zeros((rows, groups, 32), int)
        expected[row, group, column] = -4 if signed and plane == 2 else 1 << plane
        assert np.array_equal(unpack_planes(stream, rows, groups, bits, signed, lanes), expected)


def test_scales():
    scale, offset = np.arange(24, dtype=np.float16).reshape(2, 4, 3)
    affine = np.stack([scale, offset], axis=-1).transpose(1, 0, 2).reshape(-1)
    got = unpack_scales(affine.view(np.uint8), 4, 3, True)
    assert np.array_equal(got[0], scale) and np.array_equal(got[1], offset)
    plain = np.pad(scale.T, ((0, 0), (0, 4))).reshape(-1)
    got = unpack_scales(plain.view(np.uint8), 4, 3, False)
    assert np.array_equal(got[0], scale) and got[1] is None


def test_lane_words_and_values_are_single_rows_and_columns():
    rng = np.random.default_rng(3)
    codes = rng.integers(-127, 128, 32).astype(np.int8)
    assert np.array_equal(unpack_planes(lane_words(codes).reshape(-1), 1, 1, 8, True, 1)[0, 0], codes)
    for lanes in (1, 2, 4):
        tile = rng.integers(0, 256, 8 * 8 * 4).astype(np.uint8)
        before = unpack_planes(tile, 8, 1, 8, True, lanes)
        after = unpack_planes(insert_value(tile, codes[:8], 17, lanes), 8, 1, 8, True, lanes)
        assert np.array_equal(after[:, 0, 17], codes[:8])
        others = np.arange(32) != 17
        assert np.array_equal(after[:, :, others], before[:, :, others])
