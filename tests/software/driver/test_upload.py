"""What an upload sends: resumed, skipped, cut; against the bridge's model."""

import time
from importlib import import_module
from itertools import pairwise

import numpy as np
import pytest
from dojang.driver import Device, Transport, TransportError
from dojang_hdl.host.protocol import Request
from dojang_sim.bridge_model import BridgeModel

UPLOAD = import_module("dojang.driver.upload")
PIECE, SMALL = 2048, 256
TIMEOUT_S = 0.01
WINDOW = 1 << 30  # where the memory behind a guard is, in words
CONTENTS = np.random.default_rng(5).integers(1, 256, 3 * PIECE + 5 * SMALL + 48, np.uint8)


class Line(Transport):
    """To a `BridgeModel`; it breaks when ``left`` bytes have been written."""

    def __init__(self, model):
        self.model, self.waiting, self.left = model, b"", None

    def write(self, data):
        if self.left is not None:
            data, self.left = data[:self.left], self.left - len(data)
        self.waiting += self.model.feed(data)
        if self.left is not None and self.left < 0:
            raise TransportError("the serial port is gone")

    def read(self, maximum, timeout_s):
        if not self.waiting:
            time.sleep(timeout_s)
        data, self.waiting = self.waiting[:maximum], self.waiting[maximum:]
        return data

    def close(self):
        pass


class Board:
    """A model of a chip, and uploads of ``CONTENTS`` to it."""

    def __init__(self):
        self.model = BridgeModel(1, 1, 1, 1, 2, 1)
        self.line = Line(self.model)
        self.reports = []

    def upload(self, contents=CONTENTS, physical=False):
        """The result, and the bytes that were written meanwhile."""
        done, self.reports = len(self.model.executed), []
        if physical:
            self.model.windows = {0}
        state = UPLOAD.upload(Device(self.line, TIMEOUT_S), 0, contents, physical,
                              lambda now: self.reports.append((now.done, now.sent)))
        return state, sum(len(payload) - 8 for kind, payload in self.model.executed[done:] if kind == Request.WRITE)

    def contents(self, first=0):
        return b"".join(self.model.memory.get((0, first + word), bytes(16)) for word in range(len(CONTENTS) // 16))


@pytest.fixture
def board(monkeypatch):
    monkeypatch.setattr(UPLOAD, "PIECE", PIECE)
    monkeypatch.setattr(UPLOAD, "SMALL_PIECE", SMALL)
    return Board()


def test_all_is_sent_once_and_then_nothing(board):
    state, sent = board.upload()
    assert board.contents() == CONTENTS.tobytes()
    assert (state.total, state.done, state.sent, sent) == (len(CONTENTS),) * 4
    assert board.reports[-1] == (len(CONTENTS), len(CONTENTS)) and board.reports == sorted(board.reports)
    assert all(after[0] - before[0] <= 2 * SMALL for before, after in pairwise(board.reports))
    before = len(board.model.executed)
    state, sent = board.upload()
    assert (state.done, state.sent, sent) == (len(CONTENTS), 0, 0)
    assert [kind for kind, _ in board.model.executed[before:]] == [Request.CHECK] * 4, "once for each large piece"


@pytest.mark.parametrize("at", [0, PIECE + 3 * SMALL + 17, len(CONTENTS) - 1])
def test_only_the_piece_that_differs_is_sent(board, at):
    board.upload()
    word, byte = divmod(at, 16)
    changed = bytearray(board.model.memory[0, word])
    changed[byte] ^= 1
    board.model.memory[0, word] = bytes(changed)
    state, sent = board.upload()
    assert board.contents() == CONTENTS.tobytes()
    assert sent == state.sent == min(SMALL, len(CONTENTS) - at // SMALL * SMALL) and state.done == state.total


def test_what_is_already_zero_is_not_sent(board):
    contents = CONTENTS.copy()
    contents[SMALL:PIECE + 2 * SMALL] = 0
    state, sent = board.upload(contents)
    assert sent == state.sent == len(contents) - PIECE - SMALL and state.done == state.total


@pytest.mark.parametrize("left", [0, 1000, 4000, 7500])
def test_a_cut_upload_goes_on_where_it_was(board, left):
    board.line.left = left
    with pytest.raises(TransportError, match="the serial port is gone"):
        board.upload()
    there = sum(len(payload) - 8 for kind, payload in board.model.executed if kind == Request.WRITE)
    board.line.left, board.line.waiting = None, b""
    board.model.expire()
    board.line.waiting = b""
    state, sent = board.upload()
    assert board.contents() == CONTENTS.tobytes() and state.done == state.total
    assert len(CONTENTS) - there <= sent <= len(CONTENTS) - there + SMALL


def test_memory_behind_a_guard(board):
    board.upload(physical=True)
    assert board.contents(WINDOW) == CONTENTS.tobytes() and board.contents() == bytes(len(CONTENTS))


def test_memory_that_does_not_keep_it_is_named(board):
    execute = board.model._execute

    def forgetful(kind, payload):
        result = execute(kind, payload)
        board.model.memory[0, PIECE // 16 + 2] = bytes(16)
        return result

    board.model._execute = forgetful
    with pytest.raises(UPLOAD.UploadError, match=r"^the memory of channel 0 does not keep what is written to it, "
                                                 r"somewhere in bytes 0x800 to 0xfff$"):
        board.upload()


@pytest.mark.parametrize("damage", ["dropped", "repeated", "flipped"])
def test_frames_that_do_not_arrive_as_sent(board, damage):
    """Each tenth frame, the last one of a piece included."""
    feed, count = board.model.feed, 0

    def bad(data):
        nonlocal count
        answers = b""
        while data:
            frame, data = data[:9 + data[4]], data[9 + data[4]:]
            count += 1
            if count % 10 == 0:
                flipped = frame[:-1] + bytes((frame[-1] ^ 8,))
                frame = {"dropped": b"", "repeated": 2 * frame, "flipped": flipped}[damage]
            answers += feed(frame)
        return answers

    board.model.feed = bad
    state, _ = board.upload()
    assert board.contents() == CONTENTS.tobytes() and state.done == state.total
    assert count >= 40
    assert (board.model.counts["corrupt"] > 0) == (damage == "flipped")
