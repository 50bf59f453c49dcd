"""Uploads over USB-UARTs, in simulated time: their rate is that of the line, whatever the adapter's latency."""

from bisect import bisect_right
from importlib import import_module
from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest
from dojang.driver import Device, Transport
from dojang.driver.frames import Frame, FrameParser, encode_frame
from dojang.sessions.board import BOARD_WINDOW
from dojang_hdl.host import protocol
from dojang_hdl.host.protocol import Request

UPLOAD = import_module("dojang.driver.upload")
PACKET_BYTES = 62
"""An FT2232H or FT231X sends so many bytes at once, or what it has when its latency timer has run down."""

CYCLES_BEFORE, CYCLES_A_WORD = 60, 25
"""Of a request, after its last byte (docs/reference/host-link.md), and some more for the memory."""


class Adapter(Transport):
    """An adapter and a chip behind it; ``now`` goes on only while the host waits.

    Parameters
    ----------
    baud, clock_hz: of line and chip.
    trip_s: from the host to the adapter, and back again.
    timer_s: the adapter's latency timer.
    """

    def __init__(self, baud, clock_hz, trip_s, timer_s, memory):
        self.byte_s, self.clock_hz, self.trip_s, self.timer_s = 10 / baud, clock_hz, trip_s, timer_s
        self.memory = memory
        self.now = self.down_free = self.up_free = self.chip_free = 0.0
        self.sent = 0
        self.parser = FrameParser()
        self.frames: list[tuple[float, float, float]] = []  # first byte, last byte, end of its execution
        self.answers: list[tuple[float, int]] = []

    def monotonic(self):
        return self.now

    def write(self, data):
        for frame in self.parser.feed(data):
            size = len(encode_frame(frame))
            begin = max(self.now + self.trip_s, self.down_free)
            self.down_free = arrived = begin + size * self.byte_s
            words, answer = self.execute(frame)
            self.chip_free = max(arrived, self.chip_free) + (CYCLES_BEFORE + words * CYCLES_A_WORD) / self.clock_hz
            self.frames.append((begin, arrived, self.chip_free))
            self.sent += size
            for byte in encode_frame(Frame(frame.type | 0x80, frame.sequence, bytes(1) + answer)):
                self.up_free = max(self.up_free, self.chip_free) + self.byte_s
                self.answers.append((self.up_free, byte))

    def execute(self, frame):
        at, count = int.from_bytes(frame.payload[:4], "little") * 16, int.from_bytes(frame.payload[5:8], "little")
        part = self.memory[at:at + 16 * count]
        if frame.type == Request.CHECK:
            return count, crc32(part).to_bytes(4, "little")
        assert frame.type == Request.WRITE
        part[:] = np.frombuffer(frame.payload[8:], np.uint8)
        return count, b""

    def read(self, maximum, timeout_s):
        if self.answers:
            first = self.answers[0][0]
            packet = self.answers[:PACKET_BYTES]
            leaves = min(first + self.timer_s, packet[-1][0] if len(packet) == PACKET_BYTES else np.inf)
            if leaves + self.trip_s <= self.now + timeout_s:
                self.now = max(self.now, leaves + self.trip_s)
                ready = bisect_right(packet, (leaves, 256))
                del self.answers[:ready]
                return bytes(byte for _, byte in packet[:ready])
        self.now += max(timeout_s, 0)
        return b""

    def close(self):
        pass

    def most_waiting(self):
        """Bytes that wait in front of the chip, at most: of the frames behind one when it has been executed."""
        most = 0.0
        for number, (_, _, end) in enumerate(self.frames):
            waiting = 0.0
            for begin, arrived, _ in self.frames[number + 1:]:
                if begin >= end:
                    break
                waiting += (min(end, arrived) - begin) / self.byte_s
            most = max(most, waiting)
        return most


LINES = {"ecpix5": (12_000_000, 75e6), "ulx3s": (3_000_000, 60e6)}


@pytest.fixture
def bring(monkeypatch):
    """Uploads into a memory of zeros; the adapter, and what was reported."""
    def run(board, trip_s, timer_s, contents, window=BOARD_WINDOW):
        adapter = Adapter(*LINES[board], trip_s, timer_s, np.zeros(len(contents), np.uint8))
        for module in ("link", "upload"):
            monkeypatch.setattr(import_module(f"dojang.driver.{module}"), "time",
                                SimpleNamespace(monotonic=adapter.monotonic))
        device = Device(adapter)
        device.link.window = window
        UPLOAD.upload(device, 0, contents)
        assert (adapter.memory == contents).all()
        assert device.link.statistics["resent"] == 0
        return adapter
    return run


CONTENTS = np.random.default_rng(1).integers(0, 256, 600_000, np.uint8)


def ratio(adapter):
    """Time of the upload to that of its bytes on the line."""
    return adapter.now / (adapter.sent * adapter.byte_s)


@pytest.mark.parametrize("board", LINES)
@pytest.mark.parametrize("trip_s, timer_s, limit", [(0, 0, 1.1), (1e-3, 0, 1.25), (1e-3, 1e-3, 1.25),
                                                    (1e-3, 16e-3, 1.35)])
def test_an_upload_runs_at_the_rate_of_the_line(bring, board, trip_s, timer_s, limit):
    """A timer of 16 ms is that of an adapter whose driver cannot be told to do without."""
    adapter = bring(board, trip_s, timer_s, CONTENTS)
    assert ratio(adapter) <= limit
    assert adapter.sent < 1.1 * len(CONTENTS)
    assert adapter.most_waiting() <= protocol.RECEIVE_BYTES


def test_a_window_of_what_the_chip_keeps_is_too_small_for_a_fast_line(bring):
    assert ratio(bring("ecpix5", 1e-3, 0, CONTENTS, protocol.RECEIVE_BYTES)) > 1.25


def test_waiting_for_each_small_piece_is_too_slow(bring, monkeypatch):
    monkeypatch.setattr(UPLOAD, "PIECE", UPLOAD.SMALL_PIECE)
    assert ratio(bring("ecpix5", 1e-3, 0, CONTENTS)) > 1.25


def test_a_window_beyond_the_chip_needs_a_chip_that_is_faster_than_the_line(bring, monkeypatch):
    """The model would see it: its chip takes a hundred times as long for a word."""
    monkeypatch.setitem(globals(), "CYCLES_A_WORD", 2500)
    assert bring("ecpix5", 0, 0, CONTENTS[:120_000]).most_waiting() > protocol.RECEIVE_BYTES
