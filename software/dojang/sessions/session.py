"""Sequences of tokens that a model on a chip processes: the interface between command line and back ends."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from ..errors import DojangError
from .row_pool import RowPool, whole_tiles

__all__ = ["Memory", "MemoryFullError", "NonfiniteError", "Part", "Session", "SessionError", "Step", "Waves"]


class Memory(StrEnum):
    """Behind the memory ports of the simulated chip: guarded LPDDR4 channels of 1600 Mb/s, or of 3200 with two ports
    each, or a word every cycle."""

    LPDDR4 = "lpddr4"
    LPDDR4_3200 = "lpddr4-3200"
    IDEAL = "ideal"


class SessionError(DojangError):
    """A session cannot be opened, cannot do what was asked for, or has failed."""


class MemoryFullError(SessionError):
    """The K/V memory has no range of rows for another sequence, at present."""


class NonfiniteError(SessionError):
    """An infinity or NaN has reached the engine in a pass. A window's last tile may show others what it has left in the
    K/V memory, so the rows of the pass's sequences are never given out again.
    """


@dataclass(frozen=True)
class Step:
    """What one position produced.

    Parameters
    ----------
    candidates: ids and values of the largest logits, on the last step of a sequence in a pass; None elsewhere.
    logits: float32 [vocab], or None where the back end was not asked for them.
    cycles: clock cycles spent on the position (those of a pass are on its very last step).
    dram_bytes: bytes read and written by all memory channels in them.
    golden_match: the logits equal the golden model's bit for bit; None if not compared.
    """

    candidates: tuple[np.ndarray, np.ndarray] | None
    logits: np.ndarray | None = None
    cycles: int = 0
    dram_bytes: int = 0
    golden_match: bool | None = None


@dataclass(frozen=True)
class Part:
    """What one sequence has in a pass: ``tokens``, at least one, at ``position`` and after.

    ``start``: first row of the K/V memory that is the sequence's, that of position 0; a multiple of `TILE`.
    """

    sequence: int
    start: int
    position: int
    tokens: Sequence[int]


@dataclass(frozen=True)
class Waves:
    """A waveform to write: a VCD ``file`` with the first ``cycles`` cycles in which the chip runs."""

    file: Path
    cycles: int = 20_000


@dataclass
class _Sequence:
    start: int
    positions: int
    length: int = 0
    spoiled: bool = False


class Session(ABC):
    """A model loaded on a chip, and sequences of tokens, each with its K/V cache and positions that count up from 0.

    One pass over the weights may carry tokens of several sequences; what a sequence gets is, bit for bit, what it would
    get alone. `prefill`, `decode` and `rewind` are for a single conversation: the session's own sequence, of `context`
    positions, which is added when one of them is called first.

    A back end gives `_pass`, `summary` and `close`; and `_added`, `_removed`, `_rewound` where it has something to do.

    Parameters, Attributes
    ----------------------
    context: positions a sequence may have at most.
    contexts: tokens of a pass at most, of all sequences together.
    rows: positions that the K/V memory has for all sequences, a multiple of `TILE`; as a parameter, None is what
        `context` needs.
    sets: number of scale sets, the model's own one, which is in use at first, included.
    """

    def __init__(self, context: int, contexts: int, rows: int | None = None, sets: int = 1):
        self.context, self.contexts, self.sets = context, contexts, sets
        self.rows = whole_tiles(context) if rows is None else rows
        try:
            self._pool = RowPool(self.rows)
        except ValueError as error:
            raise SessionError(f"K/V memory of {error}") from error
        self._sequences: dict[int, _Sequence] = {}
        self._next = self._set = 0
        self._own: int | None = None

    def add(self, positions: int | None = None) -> int:
        """A new sequence of up to so many positions, `context` if None; its number, which is never used again.

        Its K/V memory is given out now: the first free range of rows that holds its positions in whole tiles.

        Raises
        ------
        MemoryFullError: there is no such range.
        SessionError: a number of positions that no sequence may have.
        """
        positions = self.context if positions is None else positions
        if not 1 <= positions <= self.context:
            raise SessionError(f"a sequence of {positions} positions was asked for, expected 1 to {self.context}")
        rows, largest = whole_tiles(positions), self._pool.largest_free
        if rows > largest:
            raise MemoryFullError(f"a sequence of {positions} positions needs {rows} rows of K/V memory in one range, "
                                  f"the largest free one has {largest} of {self._pool.free} free rows")
        number = self._next
        start = self._pool.add(number, rows)
        self._next += 1
        self._sequences[number] = _Sequence(start, positions)
        self._added(number, start, positions)
        return number

    def step(self, work: Mapping[int, Sequence[int]]) -> dict[int, list[Step]]:
        """One pass over the weights: the next tokens, at least one, of each sequence; a `Step` per token.

        Raises
        ------
        SessionError: before anything is done, if a number is no sequence's, a sequence has no tokens or too many for
            its positions, or all have more than `contexts`; or the back end has failed.
        """
        total = sum(map(len, work.values()))
        if not 1 <= total <= self.contexts:
            raise SessionError(f"{total} tokens in a pass, expected 1 to {self.contexts}")
        for number, tokens in work.items():
            self._check_room(number, len(tokens))
            if not len(tokens):
                raise SessionError(f"sequence {number} has no tokens in the pass, expected at least one")
        held = self._sequences
        parts = [Part(number, held[number].start, held[number].length, list(tokens)) for number, tokens in work.items()]
        try:
            steps = self._pass(parts)
        except NonfiniteError:
            for part in parts:
                held[part.sequence].spoiled = True
            raise
        for part in parts:
            held[part.sequence].length += len(part.tokens)
        return {part.sequence: of_part for part, of_part in zip(parts, steps, strict=True)}

    def remove(self, sequence: int) -> None:
        """Forget a sequence; its rows are free, unless a `NonfiniteError` has spoiled them."""
        spoiled = self._known(sequence).spoiled
        del self._sequences[sequence]
        if not spoiled:
            self._pool.remove(sequence)
        if sequence == self._own:
            self._own = None
        self._removed(sequence)

    def length(self, sequence: int) -> int:
        """Positions that a sequence has processed."""
        return self._known(sequence).length

    def rewind(self, position: int, sequence: int | None = None) -> None:
        """Go back: the next token is put at ``position``, and what was there and behind it is forgotten.

        ``sequence``: the session's own if None.
        """
        number = self._own_sequence() if sequence is None else sequence
        held = self._known(number)
        if not 0 <= position <= held.length:
            raise SessionError(f"position {position} was asked for, expected 0 to {held.length}")
        held.length = position
        self._rewound(number, position)

    def prefill(self, tokens: Sequence[int]) -> list[Step]:
        """Process `tokens` at the next positions, `contexts` per pass over the weights; one `Step` per token."""
        own = self._own_sequence()
        self._check_room(own, len(tokens))
        return [step for at in range(0, len(tokens), self.contexts)
                for step in self.step({own: tokens[at:at + self.contexts]})[own]]

    def decode(self, token: int) -> Step:
        """Process one token at the next position."""
        own = self._own_sequence()
        return self.step({own: [token]})[own][0]

    def _own_sequence(self) -> int:
        if self._own is None:
            self._own = self.add()
        return self._own

    def _known(self, number: int) -> _Sequence:
        if number not in self._sequences:
            raise SessionError(f"there is no sequence {number}: it was never added, or it has been removed")
        return self._sequences[number]

    def _check_room(self, number: int, tokens: int) -> None:
        held = self._known(number)
        if held.length + tokens > held.positions:
            raise SessionError(f"sequence {number} would have {held.length + tokens} positions, expected at most "
                               f"{held.positions}")

    @abstractmethod
    def _pass(self, parts: Sequence[Part]) -> list[list[Step]]:
        """One pass over the weights: a `Step` for each token of each part. Positions are counted when it returns."""

    def _added(self, sequence: int, start: int, positions: int) -> None:  # noqa: B027
        """A sequence was added, whose position 0 is in the row ``start``."""

    def _removed(self, sequence: int) -> None:  # noqa: B027
        """A sequence was removed."""

    def _rewound(self, sequence: int, position: int) -> None:  # noqa: B027
        """A sequence has gone back to ``position``."""

    def use_set(self, index: int) -> None:
        """Scales, gains, biases of what follows: 0 is the model's own, 1, 2, … are the sets that it was opened with.

        Nothing else changes: positions go on, and caches keep what earlier sets have put there.
        """
        if not 0 <= index < self.sets:
            raise SessionError(f"scale set {index} was asked for, expected 0 to {self.sets - 1}")
        self._set = index

    @abstractmethod
    def summary(self) -> dict:
        """``dram_utilization``, ``engine_utilization`` (of decode) and ``simulated_hz``, each a float or None.

        ``memory_commands``, ``memory_guard``: per channel, `MEMORY_COUNTERS` and `GUARD_COUNTERS` of the decode passes
        by name.

        ``saturated``: what left FP16's range so far, empty if nothing did; `saturation_message` tells it. Of the golden
        model, `GoldenModel.saturated`; of a chip, which has a flag only, `position_entry` of the first pass in which it
        was up, and the golden model's counts if that runs alongside.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the simulator; further calls are errors. May be called twice."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
