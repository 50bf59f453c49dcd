"""Ranges of rows of the K/V memory, given to sequences."""

from collections.abc import Iterator

__all__ = ["TILE", "RowPool", "whole_tiles"]

TILE = 32
"""Positions of a tile of keys or values: no two sequences share one."""


def whole_tiles(positions: int) -> int:
    """Rows of the tiles that so many positions need."""
    return -(-positions // TILE) * TILE


class RowPool:
    """Gives out contiguous ranges of rows, first fit.

    Nothing that was given out is ever moved, so there may be no range although there are rows enough.

    Parameters
    ----------
    rows: how many there are, a multiple of `TILE`.
    """

    def __init__(self, rows: int):
        if rows < TILE or rows % TILE:
            raise ValueError(f"rows={rows}, expected a multiple of {TILE} and at least that")
        self.rows = rows
        self._taken: dict[int, tuple[int, int]] = {}

    @property
    def free(self) -> int:
        return sum(rows for _, rows in self._gaps())

    @property
    def largest_free(self) -> int:
        return max(rows for _, rows in self._gaps())

    def add(self, key: int, rows: int) -> int:
        """First row of the range that ``key`` now has: of all free ones that are large enough, the one lowest down.

        Raises
        ------
        ValueError: the key has a range, ``rows`` is no multiple of `TILE`, or more than `largest_free`.
        """
        if key in self._taken:
            raise ValueError(f"key {key} has a range already")
        if rows < TILE or rows % TILE:
            raise ValueError(f"rows={rows}, expected a multiple of {TILE} and at least that")
        for start, free in self._gaps():
            if free >= rows:
                self._taken[key] = start, rows
                return start
        raise ValueError(f"rows={rows}, expected at most {self.largest_free}, the largest free range")

    def remove(self, key: int) -> None:
        """Free the range that ``key`` has; a KeyError if it has none."""
        del self._taken[key]

    def _gaps(self) -> Iterator[tuple[int, int]]:
        """Start and rows of what lies before, between and behind the ranges; some have none."""
        end = 0
        for start, rows in sorted(self._taken.values()):
            yield end, start - end
            end = start + rows
        yield end, self.rows - end
