"""Reads what sampler.h writes."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from .taps import Place

__all__ = ["PassRecord", "Signal", "read_record"]

ENTRY = np.dtype([("cycle", "<u4"), ("value", "<u4"), ("tap", "<u2")])
BEGIN, END = 0xFFFF, 0xFFFE


@dataclass(frozen=True)
class Signal:
    """Values of a tap: ``values[i]`` from cycle ``times[i]`` on; ``times[0]`` is 0."""

    times: np.ndarray
    values: np.ndarray

    def at(self, cycles: np.ndarray) -> np.ndarray:
        """Its values in some cycles."""
        return self.values[np.searchsorted(self.times, cycles, side="right") - 1]

    def count(self, cycles: np.ndarray) -> np.ndarray:
        """Of a COUNT: cycles before ``cycles`` in which it was set, interpolated between two windows."""
        return np.interp(cycles, self.times, self.values)


@dataclass(frozen=True)
class PassRecord:
    """One pass, from the first cycle in which the chip runs: how many cycles it took, its taps by owner and name."""

    cycles: int
    signals: dict[tuple[str, int], dict[str, Signal]]

    def node(self, index: int) -> dict[str, Signal]:
        return self.signals["node", index]

    def channel(self, index: int) -> dict[str, Signal]:
        return self.signals["channel", index]


def read_record(path: Path, places: list[Place]) -> Iterator[PassRecord]:
    """The passes that have ended, in order; ``places`` as `chip_taps` gives them."""
    entries = np.fromfile(path, ENTRY)
    begins, ends = (np.flatnonzero(entries["tap"] == mark) for mark in (BEGIN, END))
    for begin, end in zip(begins, ends, strict=False):
        yield _pass(entries[begin + 1:end], int(entries["cycle"][end]), places)


def _pass(entries: np.ndarray, cycles: int, places: list[Place]) -> PassRecord:
    order = np.argsort(entries["tap"], kind="stable")
    entries = entries[order]
    bounds = np.searchsorted(entries["tap"], np.arange(len(places) + 1))
    signals: dict[tuple[str, int], dict[str, Signal]] = {}
    for place, (first, last) in zip(places, pairwise(bounds), strict=True):
        own = entries[first:last]
        signals.setdefault(place.owner, {})[place.tap.name] = Signal(own["cycle"].copy(), own["value"].astype(np.int64))
    return PassRecord(cycles, signals)
