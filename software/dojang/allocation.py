"""What ways of giving out K/V memory hold: a contiguous range for each sequence, or blocks of positions.

The model. Sequences wait in an endless queue, in their order. Each asks for a length, its prompt included, and ends
somewhere before: lengths are spread evenly over their logarithms, ends evenly over the length. A sequence that runs has
a position more in every step. What is compared is how many run at once.
"""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

from .sessions import RowPool, whole_tiles

__all__ = ["SHORTEST", "WAYS", "simulate"]

SHORTEST = 32


class Ranges:
    """`RowPool`: the length asked for, in one range, from the beginning."""

    def __init__(self, rows: int):
        self._pool = RowPool(rows)

    def admit(self, key: int, asked: int) -> bool:
        """Whether a sequence may begin."""
        fits = whole_tiles(asked) <= self._pool.largest_free
        if fits:
            self._pool.add(key, whole_tiles(asked))
        return fits

    def grow(self, key: int, length: int) -> bool:
        """Whether it may have ``length`` positions now."""
        return True

    def remove(self, key: int) -> None:
        self._pool.remove(key)


class Blocks:
    """Blocks of ``size`` positions anywhere, for the length asked for from the beginning, or one after the other."""

    def __init__(self, rows: int, size: int, on_demand: bool):
        self._free, self._size, self._on_demand = rows // size, size, on_demand
        self._held: dict[int, int] = {}

    def admit(self, key: int, asked: int) -> bool:
        return self._take(key, 1 if self._on_demand else -(-asked // self._size))

    def grow(self, key: int, length: int) -> bool:
        return self._take(key, max(-(-length // self._size) - self._held[key], 0))

    def remove(self, key: int) -> None:
        self._free += self._held.pop(key)

    def _take(self, key: int, blocks: int) -> bool:
        fits = blocks <= self._free
        if fits:
            self._free -= blocks
            self._held[key] = self._held.get(key, 0) + blocks
        return fits


WAYS: dict[str, Callable[[int], Ranges | Blocks]] = {
    "a range of the length asked for": Ranges,
    "blocks of 32 for the length asked for": lambda rows: Blocks(rows, 32, False),
    "blocks of 512 for the length asked for": lambda rows: Blocks(rows, 512, False),
    "blocks of 32 on demand": lambda rows: Blocks(rows, 32, True),
    "blocks of 512 on demand": lambda rows: Blocks(rows, 512, True),
}


def simulate(rows: int, longest: int, steps: int, seed: int) -> list[dict]:
    """Of each of `WAYS`: ``running``, sequences in a mean step, and ``wasted``, the share of positions that were
    computed for sequences thrown out to make room, which begin again.
    """
    return [{"way": name, **_run(way(rows), longest, steps, seed)} for name, way in WAYS.items()]


def _run(memory: Ranges | Blocks, longest: int, steps: int, seed: int) -> dict[str, float]:
    arriving = _requests(longest, seed)
    waiting = deque([next(arriving)])
    running: dict[int, list[int]] = {}   # asked, end, length
    count = wasted = computed = key = 0
    for _ in range(steps):
        while memory.admit(key, waiting[0][0]):
            running[key] = [*waiting.popleft(), 0]
            key += 1
            if not waiting:
                waiting.append(next(arriving))
        for number in list(running):
            if number not in running:
                continue
            while number in running and not memory.grow(number, running[number][2] + 1):
                youngest = max(running)
                asked, end, length = running.pop(youngest)
                memory.remove(youngest)
                waiting.appendleft((asked, end))
                wasted += length
            if number in running:
                running[number][2] += 1
                computed += 1
                if running[number][2] == running[number][1]:
                    memory.remove(number)
                    del running[number]
        count += len(running)
    return {"running": round(count / steps, 2), "wasted": round(wasted / computed, 4)}


def _requests(longest: int, seed: int) -> Iterator[tuple[int, int]]:
    """Length asked for, and where the sequence ends."""
    random = np.random.default_rng(seed)
    while True:
        asked = round(float(np.exp(random.uniform(np.log(SHORTEST), np.log(longest)))))
        yield asked, int(random.integers(1, asked, endpoint=True))
