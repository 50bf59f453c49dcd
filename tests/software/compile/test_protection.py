"""Protected contents against a decoder that works bit by bit, zlib, and the addresses of docs/reference/guard.md."""

import random
import zlib

import numpy as np
import pytest
from dojang.compile.protection import Protection, check_bits
from dojang_hdl.guard.layout import CHECK_BITS, CLUSTER, COLUMNS, HEADER
from dojang_hdl.isa import unpack

TILE = 32
TILES = [(0, 2 * TILE), (2 * TILE, TILE + 9), (4 * TILE, CLUSTER)]
"""Whole tiles; a short last one; one of so few words that it counts as whole. Before ``TILES_END`` a tile that holds
nothing.
"""
TILES_END, END = 6 * TILE, 6 * TILE + 11 * CLUSTER


def syndrome(word, checks):
    for bit, column in enumerate(COLUMNS):
        if word >> bit & 1:
            checks ^= column
    return checks


def decode(word, checks):
    """(word, check bits) with one wrong bit corrected; None if it must be more than one."""
    wrong = syndrome(word, checks)
    if wrong in COLUMNS:
        return word ^ 1 << COLUMNS.index(wrong), checks
    if wrong.bit_count() == 1:
        return word, checks ^ wrong
    return None if wrong else (word, checks)


@pytest.fixture(scope="module")
def stored():
    """Protection, logical contents and physical memory, with two words behind the clusters."""
    protection = Protection(TILES_END, END, TILE)
    contents = np.random.default_rng(7).integers(0, 256, END * 16, dtype=np.uint8)
    contents[TILES_END * 16:][16 * CLUSTER:3 * 16 * CLUSTER] = 0  # two clusters
    memory = np.zeros((protection.physical_words + 2) * 16, np.uint8)
    protection.store(memory, contents, TILES)
    return protection, contents, memory


def word_at(memory, address):
    return int.from_bytes(memory[16 * address:16 * address + 16].tobytes(), "little")


def expected_blocks():
    """First word and words of every block."""
    blocks = [(start + at, words - at if 8 < words - at < TILE else TILE)
              for start, words in TILES for at in range(0, words, TILE)]
    return blocks + [(at, CLUSTER) for at in range(TILES_END, END, CLUSTER)]


def test_check_bits_are_those_of_the_columns():
    rng = random.Random(1)
    words = [0, 1, 1 << 127, (1 << 128) - 1, *(rng.getrandbits(128) for _ in range(100))]
    raw = np.frombuffer(b"".join(word.to_bytes(16, "little") for word in words), np.uint8)
    assert check_bits(raw.reshape(4, -1, 16)).reshape(-1).tolist() == [syndrome(word, 0) for word in words]


def test_every_single_wrong_bit_is_corrected_and_no_double_one_is_mistaken():
    word = random.Random(2).getrandbits(128)
    checks = int(check_bits(np.frombuffer(word.to_bytes(16, "little"), np.uint8)))
    flips = [(1 << bit, 0) for bit in range(128)] + [(0, 1 << bit) for bit in range(CHECK_BITS)]
    assert decode(word, checks) == (word, checks)
    for index, (data, check) in enumerate(flips):
        assert decode(word ^ data, checks ^ check) == (word, checks)
        for other_data, other_check in flips[:index]:
            assert decode(word ^ data ^ other_data, checks ^ check ^ other_check) is None


@pytest.mark.parametrize("tiles_end, end, tile", [
    (0, 80, 32), (96, 96, 32), (TILES_END, END, TILE), (256, 256 + 8 * 100, 128)])
def test_words_and_headers_fill_the_memory_once(tiles_end, end, tile):
    protection = Protection(tiles_end, end, tile)
    at = protection.physical(np.arange(end))
    assert [protection.physical(word) for word in range(end)] == at.tolist()
    headers = [first // tile * (tile + 1) for first in range(0, tiles_end, tile)]
    headers += [tiles_end + tiles_end // tile + first // 8 * 9 for first in range(0, end - tiles_end, 8)]
    assert sorted([*at.tolist(), *headers]) == list(range(protection.physical_words))
    assert all(at[first] - 1 in headers for first in (*range(0, tiles_end, tile), *range(tiles_end, end, 8)))


def test_every_header_is_that_of_its_block(stored):
    protection, contents, memory = stored
    for first, words in expected_blocks():
        header = unpack(HEADER, word_at(memory, int(protection.physical(first)) - 1))
        data = contents[16 * first:16 * (first + words)].tobytes()
        assert header["crc"] == zlib.crc32(data) ^ first
        assert syndrome(header["crc"], header["crc_check"]) == 0 and header["pad"] == 0
        for word in range(CLUSTER):
            value = int.from_bytes(data[16 * word:16 * word + 16], "little") if first >= TILES_END else 0
            assert syndrome(value, header[f"check_{word}"]) == 0


def test_contents_are_read_back(stored):
    protection, contents, memory = stored
    for start, words in [*TILES, (TILES_END, END - TILES_END), (3, 90), (4 * TILE + 2, 5), (TILES_END + 7, 1)]:
        assert np.array_equal(protection.read(memory, start, words), contents[16 * start:16 * (start + words)])


def test_what_belongs_to_no_block_stays_as_it_was(stored):
    protection, _, memory = stored
    used = np.zeros(len(memory) // 16, bool)
    for first, words in expected_blocks():
        at = int(protection.physical(first))
        used[at - 1:at + words] = True
    assert (~used).sum() == 23 + 1 + TILE + 2  # rests of tiles, an unused one, the words behind the clusters
    assert not memory.reshape(-1, 16)[~used].any()


def test_wrong_blocks_are_those_with_a_wrong_bit_in_data_or_header(stored):
    protection, _, memory = stored
    assert protection.wrong_blocks(memory, TILES) == []
    rng = random.Random(3)
    for first, words in expected_blocks():
        for place in (-1, 0, words - 1):
            damaged = memory.copy()
            damaged[16 * (int(protection.physical(first)) + place) + rng.randrange(16)] ^= 1 << rng.randrange(8)
            assert protection.wrong_blocks(damaged, TILES) == [first]


def test_a_block_of_another_place_is_wrong(stored):
    protection, _, memory = stored
    words, at = memory.reshape(-1, 16).copy(), int(protection.physical(TILES_END)) - 1
    words[at:at + 18] = np.roll(words[at:at + 18], 9, axis=0)
    assert protection.wrong_blocks(words.reshape(-1), TILES) == [TILES_END, TILES_END + CLUSTER]


def test_batches_meet(monkeypatch, stored):
    protection, contents, memory = stored
    monkeypatch.setattr("dojang.compile.protection._BATCH", 24)
    again = np.zeros_like(memory)
    protection.store(again, contents, TILES)
    assert np.array_equal(again, memory) and protection.wrong_blocks(again, TILES) == []


@pytest.mark.parametrize("tiles_end, end, message", [
    (33, 64, "tiles_end=33, expected a multiple of a tile of 32 words"),
    (32, 39, "end=39, expected tiles_end=32 and a multiple of 8 words"),
    (32, 24, "end=24, expected tiles_end=32 and a multiple of 8 words")])
def test_ends_within_a_block_are_refused(tiles_end, end, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Protection(tiles_end, end, TILE)
