"""Requests over an unreliable byte stream, each executed once, or several at a time if they may be repeated."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from dojang_hdl.host import protocol
from dojang_hdl.host.protocol import Request, Status

from .frames import Frame, FrameParser, encode_frame, frame_bytes
from .transport import Transport

__all__ = ["Link", "LinkError", "LinkStatistics", "LinkTimeout"]

REASONS = {
    Status.UNKNOWN: "it does not know this request",
    Status.LENGTH: "the payload has the wrong length",
    Status.ARGUMENT: "a channel, address, index or count is out of range",
    Status.BUSY: "a run is going on",
}
READ_SIZE = 4096


class LinkError(RuntimeError):
    """A request was refused (``status`` says why), or no intact answer came in spite of re-sending."""

    def __init__(self, message: str, status: Status | None = None):
        super().__init__(message)
        self.status = status


class LinkTimeout(LinkError):  # noqa: N818 - what users look for
    """The chip was silent through all attempts."""


@dataclass
class LinkStatistics:
    """What the host has seen. ``stale``: intact responses to an earlier sequence number."""

    requests: int = 0
    resent: int = 0
    naks: int = 0
    timeouts: int = 0
    stale: int = 0
    corrupt: int = 0
    skipped: int = 0


LOST_AT_ONCE = 3
"""Frames that one damage can take: a wrong length takes of the next frame, whose rest no sync precedes."""

MOST_IN_FLIGHT = 96
"""Requests; far below 256, so that a sequence number is not used again while an answer to its last use may come."""


@dataclass
class _Flight:
    """A request of a pipeline. ``latest``: sequence number of the frame in which it was last sent."""

    number: int
    kind: Request
    payload: bytes
    attempts: int = 0
    latest: int = -1
    answered: bool = False


class Link:
    """Requests and their responses.

    Parameters
    ----------
    transport: the byte stream.
    timeout_s: silence after which a request is sent again; above the bridge's ``byte_timeout`` and ``wait_cycles``.
    attempts: how often a request is sent at most.

    Attributes
    ----------
    window: bytes of requests in flight in a `pipeline`. More than the bridge keeps is right where it executes requests
        faster than the line brings them.
    """

    window = protocol.RECEIVE_BYTES

    def __init__(self, transport: Transport, timeout_s: float = 2.0, attempts: int = 8):
        if timeout_s <= 0 or attempts < 1:
            raise ValueError(f"timeout_s={timeout_s}, attempts={attempts}: both must be positive")
        self._transport = transport
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._sequence = 0
        self._parser = FrameParser()
        self._statistics = LinkStatistics()

    @property
    def statistics(self) -> dict[str, int]:
        """The counters of `LinkStatistics`."""
        return {**asdict(self._statistics), "corrupt": self._parser.corrupt, "skipped": self._parser.skipped}

    def drain(self) -> None:
        """Throw away what an earlier session left in the stream."""
        deadline = time.monotonic() + self._timeout_s
        while self._transport.read(READ_SIZE, 0) and time.monotonic() < deadline:
            pass
        self._parser.clear()

    def request(self, kind: Request, payload: bytes = b"") -> bytes:
        """The response's payload behind the status. Raises `LinkTimeout`, `LinkError`, or the transport's error."""
        self._sequence = (self._sequence + 1) % 256
        frame = encode_frame(Frame(kind, self._sequence, payload))
        self._statistics.requests += 1
        heard = False
        for attempt in range(self._attempts):
            self._statistics.resent += attempt > 0
            self._transport.write(frame)
            response, heard_now = self._await_response(kind)
            heard |= heard_now
            if response is not None:
                return self._checked(kind, response.payload)
        raise self._no_answer(kind, heard)

    def pipeline(self, requests: Iterable[tuple[Request, bytes]]) -> Iterator[bytes]:
        """Answers as of `request`, in order of ``requests``, which are sent without waiting for each other.

        They must be `protocol.IDEMPOTENT`, and none may write what another one reads or writes: a lost one is sent
        again when later ones have been executed. Then with a new sequence number: answers come in the order of the
        frames, so what was sent before an answered frame and is not answered was lost, and nothing else is sent
        again. Where no frame's answer is to be expected, the oldest request goes again, whose answer tells.
        """
        source = iter(requests)
        flights: dict[int, _Flight] = {}  # not answered, by number
        frames: dict[int, _Flight] = {}  # that an answer may come to, by sequence number, in the order of sending
        answers: dict[int, bytes] = {}
        started = given = size = 0
        following = next(source, None)
        heard, deadline = False, 0.0
        bad = 0  # frames that may be lost, we do not know which

        def send(waiting: list[_Flight]) -> None:
            data = b""
            for flight in waiting:
                flight.attempts += 1
                self._statistics.resent += flight.attempts > 1
                if flight.attempts > self._attempts or len(frames) >= 2 * MOST_IN_FLIGHT:
                    raise self._no_answer(flight.kind, heard)
                if flight.latest != self._sequence:  # else the chip knows it, if it has executed it
                    self._sequence = flight.latest = (self._sequence + 1) % 256
                    frames[self._sequence] = flight
                data += encode_frame(Frame(flight.kind, self._sequence, flight.payload))
            self._transport.write(data)

        while following is not None or flights:
            new: list[_Flight] = []
            while following is not None and len(flights) < MOST_IN_FLIGHT:
                kind, payload = following
                if kind not in protocol.IDEMPOTENT:
                    raise ValueError(f"{kind.name} cannot be in a pipeline")
                if flights and size + frame_bytes(payload) > self.window:
                    break
                flights[started] = _Flight(started, kind, payload)
                new.append(flights[started])
                started, size = started + 1, size + frame_bytes(payload)
                self._statistics.requests += 1
                following = next(source, None)
            if new:
                send(new)
                deadline = time.monotonic() + self._timeout_s
            corrupt = self._parser.corrupt
            received = self._transport.read(READ_SIZE, deadline - time.monotonic())
            heard |= bool(received)
            for response in self._parser.feed(received):
                if response.type == protocol.NAK:
                    self._statistics.naks += 1
                    bad += LOST_AT_ONCE
                    continue
                flight = frames.get(response.sequence)
                if flight is None or response.type != flight.kind | protocol.RESPONSE_BIT or not response.payload:
                    self._statistics.stale += 1
                    continue
                lost = []
                while (sequence := next(iter(frames))) != response.sequence:
                    older = frames.pop(sequence)
                    if not older.answered and older.latest == sequence:
                        lost.append(older)
                del frames[sequence]
                bad = 0
                if flight.answered:
                    self._statistics.stale += 1
                else:
                    answers[flight.number] = self._checked(flight.kind, response.payload)
                    flight.answered = True
                    del flights[flight.number]
                    size -= frame_bytes(flight.payload)
                if lost:
                    send(lost)
                deadline = time.monotonic() + self._timeout_s
            while given in answers:
                yield answers.pop(given)
                given += 1
            bad += LOST_AT_ONCE * (self._parser.corrupt - corrupt)
            if flights and time.monotonic() >= deadline:
                self._statistics.timeouts += 1
                self._parser.clear()
                bad = len(frames)
                deadline = time.monotonic() + self._timeout_s
            if flights and bad >= len(frames):
                send([next(iter(flights.values()))])
                bad = len(frames) - 1

    def reopen(self, timeout_s: float) -> None:
        """Open the transport again after it broke."""
        self._transport.reopen(timeout_s)
        self._parser.clear()

    def _no_answer(self, kind: Request, heard: bool) -> LinkError:
        if heard:
            return LinkError(f"no intact answer to {kind.name} after {self._attempts} attempts: the link is too noisy")
        return LinkTimeout(f"the chip does not answer {kind.name}: silent for {self._attempts} attempts of "
                           f"{self._timeout_s:g} s")

    def _await_response(self, kind: Request) -> tuple[Frame | None, bool]:
        """The response, or None if the request must be sent again; and whether any byte came."""
        heard = False
        corrupt = self._parser.corrupt
        deadline = time.monotonic() + self._timeout_s
        while True:
            data = self._transport.read(READ_SIZE, deadline - time.monotonic())
            heard |= bool(data)
            for frame in self._parser.feed(data):
                if frame.type == protocol.NAK:
                    self._statistics.naks += 1
                    return None, heard
                if frame.sequence == self._sequence and frame.type == kind | protocol.RESPONSE_BIT and frame.payload:
                    return frame, heard
                self._statistics.stale += 1
            if self._parser.corrupt != corrupt:
                return None, heard
            if time.monotonic() >= deadline:
                self._statistics.timeouts += 1
                self._parser.clear()
                return None, heard

    @staticmethod
    def _checked(kind: Request, payload: bytes) -> bytes:
        if payload[0] == Status.OK:
            return payload[1:]
        try:
            status = Status(payload[0])
        except ValueError as error:
            raise LinkError(f"the chip answered {kind.name} with the unknown status {payload[0]}") from error
        raise LinkError(f"the chip refused {kind.name}: {REASONS[status]}", status)
