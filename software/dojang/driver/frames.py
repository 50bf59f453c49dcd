"""Frames of the host link: from and to bytes."""

import zlib
from dataclasses import dataclass

from dojang_hdl.host import protocol

__all__ = ["Frame", "FrameParser", "encode_frame", "frame_bytes"]


@dataclass(frozen=True)
class Frame:
    """An intact frame. ``type``, ``sequence``: 0 to 255; ``payload``: at most `protocol.MAX_PAYLOAD` bytes."""

    type: int
    sequence: int
    payload: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """All bytes of ``frame``, sync to CRC. A payload that is too long is a ValueError."""
    if len(frame.payload) > protocol.MAX_PAYLOAD:
        raise ValueError(f"payload of {len(frame.payload)} bytes, at most {protocol.MAX_PAYLOAD} fit a frame")
    body = bytes((frame.type, frame.sequence, len(frame.payload))) + frame.payload
    return protocol.SYNC + body + zlib.crc32(body).to_bytes(protocol.CRC_BYTES, "little")


def frame_bytes(payload: bytes) -> int:
    """Length of a frame with this payload."""
    return len(protocol.SYNC) + protocol.HEADER_BYTES + len(payload) + protocol.CRC_BYTES


class FrameParser:
    """Finds frames in a stream that may hold anything.

    After a dropped frame the search goes on behind its sync bytes, so an intact frame is found even inside the
    length of a corrupt one.

    Attributes
    ----------
    corrupt: frames dropped for their length or CRC.
    skipped: bytes outside frames.
    """

    def __init__(self):
        self._buffer = bytearray()
        self.corrupt = 0
        self.skipped = 0

    def clear(self) -> None:
        """Forget a begun frame."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Frame]:
        """The frames completed by ``data``."""
        self._buffer += data
        frames = []
        while (frame := self._next()) is not None:
            frames.append(frame)
        return frames

    def _skip(self, count: int) -> None:
        self.skipped += count
        del self._buffer[:count]

    def _next(self) -> Frame | None:
        buffer, start = self._buffer, len(protocol.SYNC)
        while True:
            at = buffer.find(protocol.SYNC)
            if at < 0:
                # Its last byte may be the first half of a sync.
                self._skip(len(buffer) - buffer.endswith(protocol.SYNC[:1]))
                return None
            self._skip(at)
            end = start + protocol.HEADER_BYTES
            if len(buffer) < end:
                return None
            length = buffer[end - 1]
            if length <= protocol.MAX_PAYLOAD:
                total = end + length + protocol.CRC_BYTES
                if len(buffer) < total:
                    return None
                body, crc = bytes(buffer[start:end + length]), buffer[end + length:total]
                if zlib.crc32(body) == int.from_bytes(crc, "little"):
                    del buffer[:total]
                    return Frame(body[0], body[1], body[protocol.HEADER_BYTES:])
            self.corrupt += 1
            self._skip(start)
