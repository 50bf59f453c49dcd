"""Brings up the memory of a board: initialisation, and for DDR3 the search for settings at which it reads right."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dojang_hdl.config import WORD_BYTES
from dojang_hdl.isa import pack, unpack
from dojang_hdl.memory_control import (
    CONTROL_WINDOW,
    ENTRY,
    IDENTITY,
    KINDS,
    LEVELS,
    MAGIC,
    STATUS,
    TIMER_BITS,
    MemoryControl,
)

from ..errors import DojangError

__all__ = ["Calibration", "CalibrationError", "Lane", "Memory", "Setting", "calibrate"]

PATTERN_WORDS = 8
"""Words at the end of the memory that are overwritten."""

REPEATS = 4
"""Times that a setting has to read right."""

_CONTROLLER = 1
"""DFI_CONTROL: the controller drives the memory."""


class CalibrationError(DojangError):
    """The memory cannot be used; the message says which byte lane failed and what was tried."""

    def __init__(self, message: str, lanes: tuple["Lane", ...] = ()):
        super().__init__(message)
        self.lanes = lanes


class Memory(Protocol):
    """What is needed of `dojang.driver.device.Device`."""

    def read_memory(self, channel: int, byte_addr: int, length: int, physical: bool = False) -> bytes: ...

    def write_memory(self, channel: int, byte_addr: int, data: bytes, physical: bool = False) -> None: ...


@dataclass(frozen=True)
class Setting:
    """Of one byte lane: beats and steps by which its data is taken later."""

    bitslip: int
    delay: int


@dataclass(frozen=True)
class Lane:
    """A byte lane. ``tried[bitslip][delay]``: it read right; ``chosen``: None if nothing did."""

    number: int
    tried: tuple[tuple[bool, ...], ...]
    chosen: Setting | None

    @property
    def window(self) -> int:
        """Delays in a row that read right, around the chosen one."""
        if self.chosen is None:
            return 0
        return max(length for slip, first, length in _windows(self.tried)
                   if slip == self.chosen.bitslip and first <= self.chosen.delay < first + length)


@dataclass(frozen=True)
class Calibration:
    """A memory that is ready. ``lanes`` is empty if nothing was to be found, or ``kept``: it was ready already."""

    kind: str
    words: int
    lanes: tuple[Lane, ...]
    kept: bool = False

    def table(self) -> str:
        """What was tried, a line for each byte lane and bitslip: ``#`` read right, ``.`` did not, ``O`` is chosen."""
        return _table(self.lanes)


def calibrate(device: Memory, channel: int = 0, progress: Callable[[str], None] = lambda step: None,
              force: bool = False) -> Calibration:
    """Initialise the memory of a channel and find the settings of its byte lanes; what it holds is lost.

    A memory that is ready already is left alone unless ``force``. `CalibrationError` if it does not work; the memory
    then says so itself (`STATUS`). Whatever ``device`` raises comes through.
    """
    registers = _Registers(device, channel)
    identity = unpack(IDENTITY, registers.read(MemoryControl.IDENTITY))
    if identity["magic"] != MAGIC:
        raise CalibrationError(f"the memory of channel {channel} has no controls: expected {MAGIC:#x} to begin with, "
                               f"found {identity['magic']:#x}")
    kind, words = KINDS[identity["kind"]], registers.read(MemoryControl.WORDS)
    status = unpack(STATUS, registers.read(MemoryControl.STATUS))
    if status["initialised"] and not status["error"] and not force:
        return Calibration(kind, words, (), kept=True)
    levels = unpack(LEVELS, registers.read(MemoryControl.LEVELS))
    registers.write(MemoryControl.STATUS, 0)
    _initialise(registers, identity["entries"], levels["settle"], progress)
    memory = _Pattern(device, channel, words, identity["lanes"])
    lanes: tuple[Lane, ...] = ()
    try:
        if levels["delays"]:
            lanes = _level(registers, memory, levels["delays"], levels["bitslips"], progress)
        progress("checking the memory")
        _check(memory, channel, lanes)
    except CalibrationError:
        registers.write(MemoryControl.STATUS, pack(STATUS, {"error": 1}))
        raise
    registers.write(MemoryControl.STATUS, pack(STATUS, {"initialised": 1}))
    return Calibration(kind, words, lanes)


class _Registers:
    def __init__(self, device: Memory, channel: int):
        self._device, self.channel = device, channel

    def read(self, register: int) -> int:
        data = self._device.read_memory(self.channel, (CONTROL_WINDOW + register) * WORD_BYTES, WORD_BYTES)
        return int.from_bytes(data[:4], "little")

    def write(self, first: int, *values: int) -> None:
        """Registers from ``first`` on."""
        data = b"".join(value.to_bytes(WORD_BYTES, "little") for value in values)
        self._device.write_memory(self.channel, (CONTROL_WINDOW + first) * WORD_BYTES, data)

    def wait(self, cycles: int) -> None:
        """Until the memory's own clock has made so many cycles."""
        while cycles > 0:
            part = min(cycles, (1 << TIMER_BITS) - 1)
            self.write(MemoryControl.TIMER, part)
            before, left = part, self.read(MemoryControl.TIMER)
            while left:
                if left >= before:
                    raise CalibrationError(f"the timer of the memory of channel {self.channel} stands still at {left}")
                before, left = left, self.read(MemoryControl.TIMER)
            cycles -= part


def _initialise(registers: _Registers, entries: int, settle: int, progress: Callable[[str], None]) -> None:
    for number in range(entries):
        progress(f"initialising the memory: step {number + 1} of {entries}")
        at = MemoryControl.SEQUENCE + 2 * number
        entry, delay = unpack(ENTRY, registers.read(at)), registers.read(at + 1)
        if entry["command"]:
            registers.write(MemoryControl.DFI_ADDRESS, entry["address"], entry["bank"], entry["command"], 0)
        else:
            registers.write(MemoryControl.DFI_CONTROL, entry["control"])
        registers.wait(delay)
    registers.write(MemoryControl.DFI_CONTROL, _CONTROLLER)
    registers.wait(settle)


class _Pattern:
    """Words at the end of the memory, in the order of their bytes on the byte lanes."""

    def __init__(self, device: Memory, channel: int, words: int, lanes: int):
        self._device, self._channel, self.lanes = device, channel, lanes
        self._address = (words - PATTERN_WORDS) * WORD_BYTES
        self._data = b""

    def write(self, seed: int) -> None:
        self._data = random.Random(seed).randbytes(PATTERN_WORDS * WORD_BYTES)
        self._device.write_memory(self._channel, self._address, self._data, physical=True)

    def right(self) -> list[bool]:
        """For each byte lane, whether it reads what was written."""
        read = self._device.read_memory(self._channel, self._address, len(self._data), physical=True)
        return [read[lane::self.lanes] == self._data[lane::self.lanes] for lane in range(self.lanes)]


def _level(registers: _Registers, memory: _Pattern, delays: int, bitslips: int,
           progress: Callable[[str], None]) -> tuple[Lane, ...]:
    count = memory.lanes
    every = (1 << count) - 1
    memory.write(seed=1)
    tried: list[list[tuple[bool, ...]]] = [[] for _ in range(count)]
    for slip in range(bitslips):
        rows: list[list[bool]] = [[] for _ in range(count)]
        for delay in range(delays):
            progress(f"levelling the memory: bitslip {slip} of {bitslips - 1}, delay {delay} of {delays - 1}")
            _set(registers, every, Setting(slip, delay))
            results = [memory.right() for _ in range(REPEATS)]
            for lane, row in enumerate(rows):
                row.append(all(result[lane] for result in results))
        for lane, row in enumerate(rows):
            tried[lane].append(tuple(row))
    lanes = tuple(Lane(number, tuple(rows), _middle(tuple(rows))) for number, rows in enumerate(tried))
    for lane in lanes:
        if lane.chosen is None:
            raise CalibrationError(
                f"byte lane {lane.number} of the memory of channel {registers.channel} never reads right: "
                f"tried delays 0 to {delays - 1} at each of the bitslips 0 to {bitslips - 1}", lanes)
        _set(registers, 1 << lane.number, lane.chosen)
    return lanes


def _set(registers: _Registers, lanes: int, setting: Setting) -> None:
    registers.write(MemoryControl.LANES, lanes, 0)   # the next register is DELAY_RESET
    for _ in range(setting.delay):
        registers.write(MemoryControl.DELAY_STEP, 0)
    registers.write(MemoryControl.BITSLIP_RESET, 0)
    for _ in range(setting.bitslip):
        registers.write(MemoryControl.BITSLIP_STEP, 0)
    registers.write(MemoryControl.LANES, 0)


def _windows(tried: tuple[tuple[bool, ...], ...]) -> Iterator[tuple[int, int, int]]:
    """(bitslip, first delay, number of delays) of all that read right in a row."""
    for slip, row in enumerate(tried):
        first = None
        for delay, right in enumerate((*row, False)):
            if right and first is None:
                first = delay
            elif not right and first is not None:
                yield slip, first, delay - first
                first = None


def _middle(tried: tuple[tuple[bool, ...], ...]) -> Setting | None:
    """Of the widest window; of two as wide the one with the smaller bitslip."""
    best = max(_windows(tried), key=lambda window: window[2], default=None)
    if best is None:
        return None
    slip, first, length = best
    return Setting(slip, first + (length - 1) // 2)


def _check(memory: _Pattern, channel: int, lanes: tuple[Lane, ...]) -> None:
    for seed in range(2, 2 + REPEATS):
        memory.write(seed)
        wrong = [str(lane) for lane, right in enumerate(memory.right()) if not right]
        if wrong:
            settings = "; ".join(f"lane {lane.number}: bitslip {lane.chosen.bitslip}, delay {lane.chosen.delay}"
                                 for lane in lanes if lane.chosen)
            raise CalibrationError(f"byte lane {' and '.join(wrong)} of the memory of channel {channel} reads wrong"
                                   + (f" with the chosen settings ({settings})" if settings else ""), lanes)


def _table(lanes: tuple[Lane, ...]) -> str:
    rows = []
    for lane in lanes:
        for slip, row in enumerate(lane.tried):
            marks = "".join("O" if lane.chosen == Setting(slip, delay) else "#" if right else "."
                            for delay, right in enumerate(row))
            rows.append(f"lane {lane.number}  bitslip {slip}  {marks}")
    return "\n".join(rows)
