"""SRAM banks of the emulated node that know who wrote and who read each word, and complain about races.

Time is a vector clock: one component per source of writes (the nodes, and every path from a memory channel to a
node). An event happened before another if the other's clock has reached its epoch; nothing else is assumed, so a race
is found however kindly the emulator happened to interleave.
"""

import numpy as np

__all__ = ["RX", "HazardError", "LocalBank", "ReceiveBank"]

RX = 0x8000
"""Bit of an address that selects the RX bank."""


class HazardError(AssertionError):
    """A program relies on an order that the hardware does not guarantee, or breaks a rule of the instruction set."""


class LocalBank:
    """The bank written by the node's own units; knows which elements were written in this run."""

    def __init__(self, words: int):
        self._data = np.zeros((words, 4), np.uint32)
        self._written = np.zeros((words, 4), bool)

    def clear(self) -> None:
        """Forget what was written: a program must not read what an earlier one left."""
        self._written[:] = False

    def read(self, addr: int, elements: int) -> np.ndarray:
        """uint32 elements from word `addr` on."""
        words = _span(addr, elements, len(self._data))
        if not self._written[words].reshape(-1)[:elements].all():
            raise HazardError(f"LOCAL {addr:#x}: {elements} elements are read, not all of them are written")
        return self._data[words].reshape(-1)[:elements].copy()

    def write(self, addr: int, values: np.ndarray) -> None:
        words = _span(addr, len(values), len(self._data))
        self._data[words].reshape(-1)[:len(values)] = values
        self._written[words].reshape(-1)[:len(values)] = True


class ReceiveBank:
    """The bank written by the network only.

    Parameters
    ----------
    owner: clock component of the node it belongs to.
    """

    def __init__(self, words: int, owner: int):
        self.owner = owner
        self._data = np.zeros((words, 4), np.uint32)
        self._writer = np.full(words, -1)
        self._written_at = np.zeros(words, np.int64)
        self._read_at = np.zeros(words, np.int64)

    def clear(self) -> None:
        self._writer[:] = -1
        self._read_at[:] = 0

    def read(self, addr: int, elements: int, clock: np.ndarray) -> np.ndarray:
        """uint32 elements, read by the owner at `clock`."""
        words = _span(addr, elements, len(self._data))
        writer = self._writer[words]
        if (writer < 0).any():
            raise HazardError(f"RX {addr:#x}: {elements} elements are read, not all of them have arrived in this run")
        if (clock[writer] < self._written_at[words]).any():
            raise HazardError(f"RX {addr:#x}: {elements} elements are read that no WAIT has covered")
        self._read_at[words] = clock[self.owner]
        return self._data[words].reshape(-1)[:elements].copy()

    def write(self, addr: int, values: np.ndarray, source: int, epoch: int, clock: np.ndarray) -> None:
        """Whole words from `source`, sent at its `clock`, in which `epoch` is its own component."""
        words = _span(addr, len(values), len(self._data))
        if (self._read_at[words] > clock[self.owner]).any():
            raise HazardError(f"RX {addr:#x}: source {source} may overwrite words that are still being read")
        writer = self._writer[words]
        known = writer >= 0
        if (clock[writer[known]] < self._written_at[words][known]).any():
            raise HazardError(f"RX {addr:#x}: source {source} may write before an earlier write has arrived")
        self._data[words] = values.reshape(-1, 4)
        self._writer[words], self._written_at[words] = source, epoch


def _span(addr: int, elements: int, words: int) -> slice:
    first = addr & ~RX
    last = first + -(-elements // 4)
    if last > words:
        raise HazardError(f"SRAM address {addr:#x}: {elements} elements reach beyond the bank's {words} words")
    return slice(first, last)
