"""Several requests in flight, against chips that answer out of order, twice, damaged or not at all."""

import random
import time

import pytest
from dojang.driver import Link, LinkError, LinkTimeout, Transport
from dojang.driver.frames import Frame, FrameParser, encode_frame
from dojang.driver.link import MOST_IN_FLIGHT
from dojang_hdl.host import protocol
from dojang_hdl.host.protocol import Request

TIMEOUT_S = 0.005
NAK = encode_frame(Frame(protocol.NAK, 0))


class Chip(Transport):
    """Answers each request with its payload's first bytes, when it is read from.

    ``answer(number, frame)``: the bytes that come back for the frame that is the ``number``-th to arrive; all of them
    are in ``sent``.
    """

    def __init__(self, answer=lambda number, frame: reply(frame)):
        self.answer, self.parser = answer, FrameParser()
        self.sent: list[Frame] = []
        self.waiting: list[bytes] = []
        self.in_flight: list[int] = []  # after each time the host has written
        self.most_bytes = 0

    def write(self, data):
        for frame in self.parser.feed(data):
            self.waiting.append(self.answer(len(self.sent), frame))
            self.sent.append(frame)
        self.in_flight.append(len(self.waiting))
        self.most_bytes = max(self.most_bytes, sum(map(size, self.sent[len(self.sent) - len(self.waiting):])))

    def read(self, maximum, timeout_s):
        return self.waiting.pop(0) if self.waiting else b""

    def close(self):
        pass


def size(frame):
    return len(encode_frame(frame))


def reply(frame):
    return encode_frame(Frame(frame.type | protocol.RESPONSE_BIT, frame.sequence, b"\0" + frame.payload[:4]))


def asked(count, length=240):
    return [(Request.WRITE, number.to_bytes(4, "little") + bytes(length)) for number in range(count)]


def numbers(chip, count=30, window=protocol.RECEIVE_BYTES, length=240, attempts=8, timeout_s=TIMEOUT_S):
    """What came back, of which all must be there, in order; and the link."""
    link = Link(chip, timeout_s, attempts)
    link.window = window
    got = [int.from_bytes(answer, "little") for answer in link.pipeline(asked(count, length))]
    assert got == list(range(count))
    return link.statistics


def each(number, of=7):
    return number % of == of - 1


@pytest.mark.parametrize("window", [300, 2048, 1 << 14])
def test_no_more_bytes_are_in_flight_than_the_window(window):
    chip = Chip()
    numbers(chip, 120, window)
    assert window - 256 < chip.most_bytes <= window
    assert set(chip.in_flight) == {window // 253}, "it is filled again with each answer"


def test_no_more_requests_are_in_flight_than_sequence_numbers_allow():
    chip = Chip()
    assert numbers(chip, 600, 1 << 14, length=4)["stale"] == 0
    assert set(chip.in_flight) == {MOST_IN_FLIGHT} and MOST_IN_FLIGHT < 128
    assert len(chip.sent) == 600 and max(frame.sequence for frame in chip.sent) == 255


def test_one_request_goes_whatever_the_window():
    chip = Chip()
    numbers(chip, 5, window=1)
    assert set(chip.in_flight) == {1}


def test_answers_in_another_order():
    """Each seventh answer comes behind the one after it: its request is sent again, and the late answer is stale."""
    held = []

    def answer(number, frame):
        if each(number) and not held:
            held.append(reply(frame))
            return b""
        return reply(frame) + (held.pop() if held else b"")

    statistics = numbers(Chip(answer))
    assert statistics["resent"] >= 4 and statistics["stale"] >= 4


def test_answers_that_come_twice():
    statistics = numbers(Chip(lambda number, frame: reply(frame) * (1 + each(number))))
    assert statistics["stale"] == 4 and statistics["resent"] == statistics["timeouts"] == 0


def test_answers_that_are_lost():
    chip = Chip(lambda number, frame: b"" if each(number) else reply(frame))
    statistics = numbers(chip)
    assert statistics["resent"] >= 4 and len(chip.sent) == 30 + statistics["resent"]


def test_the_last_answer_is_lost():
    """Nothing comes behind it that would show the loss."""
    statistics = numbers(Chip(lambda number, frame: b"" if number == 29 else reply(frame)), timeout_s=0.2)
    assert (statistics["timeouts"], statistics["resent"]) == (1, 1)


def test_answers_that_are_damaged():
    rng = random.Random(3)

    def answer(number, frame):
        data = bytearray(reply(frame))
        if each(number):
            data[rng.randrange(2, len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)

    statistics = numbers(Chip(answer))
    assert statistics["corrupt"] >= 4 and statistics["resent"] >= 4


def test_requests_that_arrive_damaged():
    statistics = numbers(Chip(lambda number, frame: NAK if each(number) else reply(frame)))
    assert statistics["naks"] >= 4 and statistics["resent"] >= 4


def test_the_last_request_arrives_damaged():
    """Its NAK is enough; nobody waits for a time-out."""
    statistics = numbers(Chip(lambda number, frame: NAK if number == 29 else reply(frame)), timeout_s=0.2)
    assert (statistics["naks"], statistics["resent"], statistics["timeouts"]) == (1, 1, 0)


def test_an_answer_of_another_kind_is_none():
    """The sequence number is right, the type that of a READ."""
    def answer(number, frame):
        return reply(Frame(Request.READ, frame.sequence, b"????")) * each(number) + reply(frame)

    assert numbers(Chip(answer))["stale"] == 4


@pytest.mark.parametrize("answer, error, message", [
    (lambda number, frame: b"", LinkTimeout, r"^the chip does not answer WRITE: silent for 3 attempts of 0\.005 s$"),
    (lambda number, frame: b"\xd0\x6a\x82\0\0bad!", LinkError,
     "^no intact answer to WRITE after 3 attempts: the link is too noisy$"),
    (lambda number, frame: reply(frame) if frame.payload[0] != 3 else b"", LinkError,
     "^no intact answer to WRITE after 3 attempts: the link is too noisy$"),
    (lambda number, frame: encode_frame(Frame(frame.type | 0x80, frame.sequence, b"\3")), LinkError,
     "^the chip refused WRITE: a channel, address, index or count is out of range$"),
    (lambda number, frame: encode_frame(Frame(frame.type | 0x80, frame.sequence, b"\x77")), LinkError,
     "^the chip answered WRITE with the unknown status 119$"),
], ids=["silent", "noise", "one is never answered", "refused", "unknown status"])
def test_the_end_is_one_sentence(answer, error, message):
    with pytest.raises(error, match=message):
        numbers(Chip(answer), attempts=3)


def test_what_must_not_be_repeated_is_refused():
    with pytest.raises(ValueError, match="RUN cannot be in a pipeline"):
        list(Link(Chip()).pipeline([(Request.RUN, bytes(32))]))


class Line(Chip):
    """Bytes are damaged, and wait before the chip has them: many frames and answers are on the way at once."""

    def __init__(self, seed, rate):
        super().__init__()
        self.rng, self.rate, self.queue, self.lost = random.Random(seed), rate, bytearray(), 0

    def damaged(self, frame):
        data = bytes(value ^ (self.rng.random() < self.rate) for value in frame)
        self.lost += data != frame
        return data

    def write(self, data):
        for frame in FrameParser().feed(data):
            self.queue += self.damaged(encode_frame(frame))

    def read(self, maximum, timeout_s):
        corrupt, count = self.parser.corrupt, self.rng.randrange(1, 600)
        frames = self.parser.feed(bytes(self.queue[:count]))
        if not self.queue:
            self.parser.clear()
        del self.queue[:count]
        return b"".join(map(self.damaged, [*map(reply, frames), *[NAK] * (self.parser.corrupt - corrupt)]))


@pytest.mark.parametrize("window", [2048, 1 << 14])
@pytest.mark.parametrize("seed", range(5))
def test_no_more_is_sent_again_than_is_lost(seed, window):
    """A frame in seven is; if each loss made others be sent again, the window's worth of them, it would never end."""
    line = Line(seed, 1 / 2000)
    statistics = numbers(line, 400, window)
    assert line.lost > 40 and statistics["resent"] < 1.3 * line.lost


class Late(Chip):
    """Loses the first frame and is silent until one comes again; then it answers after two more reads of nothing."""

    def __init__(self):
        super().__init__(lambda number, frame: reply(frame) if number else b"")
        self.idle = 2

    def read(self, maximum, timeout_s):
        kinds = {frame.payload[:4] for frame in self.sent}
        if len(kinds) == len(self.sent):  # nothing came twice
            time.sleep(max(timeout_s, 0))
            return b""
        self.idle -= 1
        return b"" if self.idle >= 0 else super().read(maximum, timeout_s)


@pytest.mark.parametrize("count", [1, 5])
def test_what_was_sent_again_is_waited_for(count):
    """Alone with its number, or behind others whose answers show that its first frame was lost."""
    statistics = numbers(Late(), count, timeout_s=0.2)  # longer than a busy machine holds a test up
    assert (statistics["timeouts"], statistics["resent"]) == (1, 1)
