"""Random lives of sequences on a session of any back end, each of which must get what it would get alone.

`random_script` makes them, `play` does what they say. A test of the RTL takes the same two, with its own sizes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from dojang.sessions import MemoryFullError, Session

TILE = 32


@dataclass(frozen=True)
class Add:
    """``sequence``: the number that it gets; None if there is no range of rows."""

    positions: int
    sequence: int | None


@dataclass(frozen=True)
class Pass:
    work: Mapping[int, Sequence[int]]


@dataclass(frozen=True)
class Remove:
    sequence: int


@dataclass(frozen=True)
class Rewind:
    sequence: int
    position: int


Event = Add | Pass | Remove | Rewind


class _World:
    """Which tile is whose, and how far every sequence is."""

    def __init__(self, rows: int):
        self.tiles: list[int | None] = [None] * (rows // TILE)
        self.limits: dict[int, int] = {}
        self.lengths: dict[int, int] = {}
        self.next = 0

    def add(self, positions: int) -> Add:
        count = -(-positions // TILE)
        for at in range(len(self.tiles) - count + 1):
            if all(owner is None for owner in self.tiles[at:at + count]):
                number = self.next
                self.tiles[at:at + count] = [number] * count
                self.limits[number], self.lengths[number] = positions, 0
                self.next += 1
                return Add(positions, number)
        return Add(positions, None)

    def remove(self, number: int) -> Remove:
        self.tiles = [None if owner == number else owner for owner in self.tiles]
        del self.limits[number], self.lengths[number]
        return Remove(number)


def random_script(seed: int, passes: int, vocab: int, context: int, contexts: int, rows: int) -> Iterator[Event]:
    """Events with so many passes among them; the sizes are those of a `Session`.

    More is added than removed, so that the memory is nearly always full. Passes decode some sequences and prefill
    others; some have all contexts.
    """
    rng = np.random.default_rng(seed)
    world = _World(rows)
    while passes:
        numbers, choice = list(world.limits), rng.random()
        open_ones = [number for number in numbers if world.lengths[number] < world.limits[number]]
        if choice < 0.15 or not numbers:
            most = rng.choice([context, max(context // 3, 1)])
            yield world.add(int(rng.choice([context, rng.integers(1, most + 1)], p=[0.1, 0.9])))
        elif choice < 0.2 or not open_ones:
            yield world.remove(int(rng.choice(numbers)))
        elif choice < 0.27:
            number = int(rng.choice(numbers))
            world.lengths[number] = int(rng.integers(0, world.lengths[number] + 1))
            yield Rewind(number, world.lengths[number])
        else:
            yield Pass(_work(rng, world, open_ones, vocab, contexts))
            passes -= 1


def _work(rng: np.random.Generator, world: _World, numbers: list[int], vocab: int, contexts: int):
    work, left = {}, contexts
    count = rng.choice([len(numbers), rng.integers(1, len(numbers) + 1)])
    chosen = rng.permutation(numbers)[:min(count, contexts)].tolist()
    for number in chosen:
        most = min(world.limits[number] - world.lengths[number], left - (len(chosen) - len(work) - 1))
        count = int(rng.choice([1, rng.integers(1, most + 1), most], p=[0.75, 0.2, 0.05]))
        work[number] = rng.integers(0, vocab, count).tolist()
        world.lengths[number] += count
        left -= count
    return work


class _Heard:
    def __init__(self):
        self.tokens: list[int] = []
        self.logits: list[np.ndarray] = []


def play(session: Session, script: Iterator[Event], alone: Callable[[Sequence[int]], np.ndarray]) -> None:
    """Fail unless every sequence's logits are, bit for bit, those that ``alone`` gives for its tokens.

    ``alone``: float32 [tokens, vocab] of a fresh model that has never seen another sequence.
    """
    heard: dict[int, _Heard] = {}

    def check(number: int) -> None:
        if heard[number].tokens:
            found, expected = np.array(heard[number].logits), alone(heard[number].tokens)
            np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))

    for event in script:
        match event:
            case Add(positions, None):
                with pytest.raises(MemoryFullError):
                    session.add(positions)
            case Add(positions, sequence):
                assert session.add(positions) == sequence
                heard[sequence] = _Heard()
            case Pass(work):
                for number, steps in session.step(work).items():
                    assert len(steps) == len(work[number]) and steps[-1].candidates is not None
                    heard[number].tokens += work[number]
                    heard[number].logits += [step.logits for step in steps]
            case Remove(sequence):
                check(sequence)
                session.remove(sequence)
                del heard[sequence]
            case Rewind(sequence, position):
                check(sequence)
                session.rewind(position, sequence)
                del heard[sequence].tokens[position:], heard[sequence].logits[position:]
        assert all(session.length(number) == len(one.tokens) for number, one in heard.items())
    for number in heard:
        check(number)
