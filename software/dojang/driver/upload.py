"""Brings contents into a chip's memory; what is there already is not sent."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from ..errors import DojangError
from .device import Device

__all__ = ["Upload", "UploadError", "upload"]

PIECES = (1 << 18, 1 << 13)
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
    progress: called after each of the smaller pieces.

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

    def bring(start: int, end: int, sizes: Sequence[int]) -> None:
        size, *smaller = sizes
        pieces = [(at, min(size, end - at)) for at in range(start, end, size)]
        for (at, length), there in zip(pieces, device.check_memory(channel, pieces, physical), strict=True):
            part = contents[at:at + length]
            if there == crc32(part.tobytes()):
                report(length)
            elif smaller:
                bring(at, at + length, smaller)
            else:
                device.write_memory(channel, at, part.tobytes(), physical)
                report(length, sent=True)

    bring(0, len(contents), PIECES)
    if state.sent:
        whole = [(at, min(PIECES[0], len(contents) - at)) for at in range(0, len(contents), PIECES[0])]
        for (at, length), there in zip(whole, device.check_memory(channel, whole, physical), strict=True):
            if there != crc32(contents[at:at + length].tobytes()):
                raise UploadError(f"the memory of channel {channel} does not keep what is written to it, somewhere in "
                                  f"bytes 0x{at:x} to 0x{at + length - 1:x}")
        state.seconds = time.monotonic() - started
    return state
