"""Brings contents into a chip's memory; what is there already is not sent."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from zlib import crc32

import numpy as np

from ..errors import DojangError
from .device import Device

__all__ = ["Upload", "UploadError", "upload"]

PIECE, SMALL_PIECE = 1 << 18, 1 << 13
"""Bytes that are compared at once: of pieces that differ, smaller ones. The larger take the chip 5 ms at 75 MHz."""


class UploadError(DojangError):
    """The memory does not keep what is written to it."""


@dataclass
class Upload:
    """Of ``total`` bytes ``done`` are known to be right, ``sent`` of them were sent, in ``seconds``."""

    total: int
    done: int = 0
    sent: int = 0
    seconds: float = 0.0


def upload(device: Device, channel: int, contents: np.ndarray, physical: bool = False,
           progress: Callable[[Upload], None] = lambda state: None) -> Upload:
    """Make the first words of a channel's memory equal to ``contents`` (uint8, whole words).

    The chip's own CRC of a piece says whether it has to be sent, and afterwards, once all are there, that they are. So
    an upload that was cut goes on where it was if it is begun again.

    Parameters
    ----------
    physical: contents are those of the memory behind a guard.
    progress: called whenever as much as a smaller piece has been sent or found right.

    Raises
    ------
    UploadError: the memory does not keep what is written to it.
    """
    state, started = Upload(len(contents)), time.monotonic()

    def report(length: int, sent: bool = False) -> None:
        state.done += length
        state.sent += length * sent
        state.seconds = time.monotonic() - started
        progress(state)

    def compared(start: int, end: int, size: int) -> Iterator[tuple[int, int, bool]]:
        """Each piece, and whether the chip holds it."""
        pieces = [(at, min(size, end - at)) for at in range(start, end, size)]
        for (at, length), there in zip(pieces, device.check_memory(channel, pieces, physical), strict=True):
            yield at, length, there == crc32(contents[at:at + length].tobytes())

    def send(start: int, end: int) -> None:
        """All that is sent of a large piece without waiting: a line is slow if it is waited for after each small one.
        """
        waiting = 0

        def written(count: int) -> None:
            nonlocal waiting
            waiting += count
            if waiting >= SMALL_PIECE:
                report(waiting, sent=True)
                waiting = 0

        device.write_memory(channel, start, contents[start:end].tobytes(), physical, written)
        if waiting:
            report(waiting, sent=True)

    for start, length, same in compared(0, len(contents), PIECE):
        if same:
            report(length)
            continue
        for same, group in groupby(compared(start, start + length, SMALL_PIECE), lambda piece: piece[2]):
            pieces = list(group)
            end = pieces[-1][0] + pieces[-1][1]
            if same:
                report(end - pieces[0][0])
            else:
                send(pieces[0][0], end)
    if state.sent:
        for at, length, same in compared(0, len(contents), PIECE):
            if not same:
                raise UploadError(f"the memory of channel {channel} does not keep what is written to it, somewhere in "
                                  f"bytes 0x{at:x} to 0x{at + length - 1:x}")
        state.seconds = time.monotonic() - started
    return state
