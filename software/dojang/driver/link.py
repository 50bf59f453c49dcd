"""Requests over an unreliable byte stream, each executed once."""

import time
from dataclasses import asdict, dataclass

from dojang_hdl.host import protocol
from dojang_hdl.host.protocol import Request, Status

from .frames import Frame, FrameParser, encode_frame
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


class Link:
    """Strict request and response.

    Parameters
    ----------
    transport: the byte stream.
    timeout_s: silence after which a request is sent again; above the bridge's ``byte_timeout`` and ``wait_cycles``.
    attempts: how often a request is sent at most.
    """

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
        if heard:
            raise LinkError(f"no intact answer to {kind.name} after {self._attempts} attempts: the link is too noisy")
        raise LinkTimeout(f"the chip does not answer {kind.name}: silent for {self._attempts} attempts of "
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
