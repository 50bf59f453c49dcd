"""Packing against a bit-by-bit reading of docs/reference/layout.md."""

import numpy as np
import pytest
from dojang.compile.layout import pack_planes, pack_scales, plane_words, scale_words


def bits_of(data: np.ndarray) -> list[int]:
    """Bits of a packed stream, lowest of the first word first."""
    return [byte >> i & 1 for byte in data.tolist() for i in range(8)]


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("bits, signed", [(1, False), (3, False), (4, True), (8, True)])
def test_planes_are_where_the_page_says(lanes, bits, signed):
    rows, groups = 8, 3
    rng = np.random.default_rng(bits * 10 + lanes)
    low = -(1 << bits - 1) if signed else 0
    codes = rng.integers(low, low + (1 << bits), (rows, groups, 32)).astype(np.int8 if signed else np.uint8)
    packed = pack_planes(codes, bits, lanes)
    assert len(packed) == 16 * plane_words(rows, groups, bits)
    expected = []
    for group in range(groups):
        for unit in range(rows // lanes):
            for plane in reversed(range(bits)):
                for lane in range(lanes):
                    expected += [int(codes[unit * lanes + lane, group, j]) >> plane & 1 for j in range(32)]
    assert bits_of(packed) == expected


@pytest.mark.parametrize("rows", [4, 8, 12, 20])
@pytest.mark.parametrize("affine", [False, True])
def test_every_group_of_scales_starts_on_a_word(rows, affine):
    rng = np.random.default_rng(rows)
    scale, offset = rng.standard_normal((2, rows, 5)).astype(np.float16)
    packed = pack_scales(scale, offset if affine else None)
    words = scale_words(rows, 5, affine)
    assert len(packed) == 16 * words
    for group in range(5):
        halves = packed.view(np.float16).reshape(5, -1)[group].tolist()
        for row in range(rows):
            if affine:
                assert halves[2 * row:2 * row + 2] == [scale[row, group], offset[row, group]]
            else:
                assert halves[row] == scale[row, group]
        assert not any(halves[rows * (1 + affine):])
