"""Packing against a bit-by-bit reading of docs/reference/layout.md."""

import numpy as np
import pytest
from dojang.compile.layout import coded_words, pack_coded, pack_planes, pack_scales, plane_words, scale_words
from dojang_hdl.window_code import CODES
from dojang_sim.golden.window import unpack_payload


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


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("first, rows", [(0, 4), (4, 8), (8, 12), (16, 40), (48, 16), (64, 4)])
def test_a_coded_stream_is_read_back(code, masked, first, rows):
    """By the golden model's reading, which is tested bit by bit; rows from 56 on are behind the matrix."""
    rng = np.random.default_rng([first, rows])
    symbols = rng.integers(0, 1 << code.step_bits, (56 // code.steps_rows, 3, 32), np.uint8)
    mask = rng.random((56, 3, 32)) < 0.5 if masked else None
    packed = pack_coded(code, symbols, mask, first, rows)
    assert len(packed) == 16 * coded_words(code, rows, 3, masked)
    got, got_mask = unpack_payload(packed, code, masked, rows, 3)
    for index, found in enumerate(got):
        step = first // code.steps_rows - code.lead + index
        inside = 0 <= step < len(symbols)
        np.testing.assert_array_equal(found, symbols[step] if inside else np.zeros_like(found))
    if mask is not None:
        np.testing.assert_array_equal(got_mask[:max(56 - first, 0)], mask[first:first + rows])
        assert not got_mask[max(56 - first, 0):].any()
