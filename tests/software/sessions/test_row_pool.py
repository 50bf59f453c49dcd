"""Ranges of rows, against a map of who has which."""

import numpy as np
import pytest
from dojang.sessions import TILE, RowPool


def test_first_fit():
    pool = RowPool(8 * TILE)
    assert [pool.add(key, rows * TILE) for key, rows in enumerate((2, 1, 3, 1))] == [0, 64, 96, 192]
    pool.remove(0)
    pool.remove(2)
    assert pool.add(4, TILE) == 0 and pool.add(5, 2 * TILE) == 96 and pool.add(6, TILE) == TILE


def test_free_rows_in_pieces_are_no_range():
    pool = RowPool(5 * TILE)
    for key in range(5):
        pool.add(key, TILE)
    assert (pool.free, pool.largest_free) == (0, 0)
    for key in (0, 2, 4):
        pool.remove(key)
    assert (pool.free, pool.largest_free) == (3 * TILE, TILE)
    with pytest.raises(ValueError, match=r"^rows=64, expected at most 32, the largest free range$"):
        pool.add(9, 2 * TILE)
    pool.remove(1)
    assert (pool.free, pool.largest_free) == (4 * TILE, 3 * TILE) and pool.add(9, 3 * TILE) == 0


def test_a_range_is_removed_once():
    pool = RowPool(TILE)
    pool.add(7, TILE)
    with pytest.raises(ValueError, match=r"^key 7 has a range already$"):
        pool.add(7, TILE)
    pool.remove(7)
    with pytest.raises(KeyError):
        pool.remove(7)


@pytest.mark.parametrize("rows", [-32, 0, 1, 33])
def test_whole_tiles_only(rows):
    message = rf"^rows={rows}, expected a multiple of 32 and at least that$"
    with pytest.raises(ValueError, match=message):
        RowPool(rows)
    with pytest.raises(ValueError, match=message):
        RowPool(64).add(1, rows)


def test_random():
    rng, pool, owners = np.random.default_rng(1), RowPool(40 * TILE), np.full(40, -1)
    refused = 0
    for key in range(3000):
        if rng.random() < 0.5:
            count = int(rng.integers(1, 9))
            places = [at for at in range(41 - count) if (owners[at:at + count] < 0).all()]
            if places:
                assert pool.add(key, count * TILE) == places[0] * TILE
                owners[places[0]:places[0] + count] = key
            else:
                refused += 1
                with pytest.raises(ValueError, match="the largest free range"):
                    pool.add(key, count * TILE)
        elif (owners >= 0).any():
            gone = int(rng.choice(owners[owners >= 0]))
            pool.remove(gone)
            owners[owners == gone] = -1
        runs = "".join("x" if owner >= 0 else " " for owner in owners).split("x")
        assert (pool.free, pool.largest_free) == (TILE * (owners < 0).sum(), TILE * max(map(len, runs)))
    assert refused > 100
