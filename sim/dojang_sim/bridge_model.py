"""A host bridge in Python, written from docs/reference/host-link.md alone: judge of the driver and of the RTL."""

import struct
import zlib
from collections.abc import Callable

__all__ = ["BridgeModel", "crc32"]

IDENTIFY, WRITE, READ, RUN, WAIT, MAILBOX, COUNTERS, RESET, CHECK = range(1, 10)
OK, UNKNOWN, LENGTH, ARGUMENT, BUSY = range(5)


def crc32(data: bytes) -> int:
    """CRC-32/ISO-HDLC by its definition, bit by bit."""
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


def frame(kind: int, sequence: int, payload: bytes = b"") -> bytes:
    body = bytes((kind, sequence, len(payload))) + payload
    return b"\xd0\x6a" + body + struct.pack("<I", crc32(body))


class BridgeModel:
    """Executes each request at once, so it never sees bytes during execution.

    Parameters
    ----------
    width, height, lanes, contexts, top_k, channel_mib, fingerprint, clock_hz: of the chip.
    on_run: called with (RUN word without `first` and `go`, context words by number as last told) for each run
        started; it may call `message`.
    registers: the 512 counter registers.

    Attributes
    ----------
    windows: channels whose addresses from 2^30 on are taken as well.
    memory: written words by (channel, word address); others are zero.
    executed: type and payload of each request executed.
    told: context words by number.
    counts: the link counters by name.
    """

    def __init__(self, width: int, height: int, lanes: int, contexts: int, top_k: int, channel_mib: int,
                 on_run: Callable[[int, dict[int, int]], None] | None = None, registers: list[int] | None = None,
                 fingerprint: int = 0, clock_hz: int = 0):
        self.width, self.height = width, height
        self.identity = struct.pack("<4sHBBBBHIII", b"DJNG", 4, width, height, lanes, contexts, top_k, channel_mib,
                                    fingerprint, clock_hz)
        self.channel_words = channel_mib * 65536
        self.contexts = contexts
        self.on_run = on_run
        self.registers = registers or [0] * 512
        self.mailbox_depth = 1
        while self.mailbox_depth < 2 * width * height * (contexts * top_k // 2 + 4):
            self.mailbox_depth *= 2
        self.memory: dict[tuple[int, int], bytes] = {}
        self.windows: set[int] = set()
        self.executed: list[tuple[int, bytes]] = []
        self.counts = dict.fromkeys(
            ("corrupt", "truncated", "skipped", "overruns", "resent", "rejected", "dropped"), 0)
        self.told: dict[int, int] = {}
        self.mailbox: list[bytes] = []
        self.overflow = False
        self.nodes_done = self.errors = self.cycles = 0
        self.running = False
        self._input = b""
        self._last: tuple[int, bytes] | None = None

    # What the nodes do.

    def message(self, x: int, y: int, kind: int, payload: bytes) -> None:
        """A message of a node arrives; kind 2 is DONE."""
        if kind == 2:
            if self.running:
                self.nodes_done += 1
                self.errors |= int.from_bytes(payload[:4], "little")
                self.running = self.nodes_done < self.width * self.height
        elif len(self.mailbox) < self.mailbox_depth:
            self.mailbox.append(bytes((x | y << 4, kind)) + payload)
        else:
            self.overflow = True
            self.counts["dropped"] += 1

    # Framing.

    def feed(self, data: bytes) -> bytes:
        """Bytes from the host in, the bridge's bytes out."""
        answers = b""
        for byte in data:
            self._input += bytes((byte,))
            answers += self._advance()
        return answers

    def expire(self) -> bytes:
        """The byte time-out passes."""
        begun, self._input = self._input, b""
        if len(begun) < 2:
            self.counts["skipped"] += len(begun)
            return b""
        self.counts["truncated"] += 1
        return frame(0xFE, 0)

    def _advance(self) -> bytes:
        data = self._input
        if len(data) <= 2:
            if data == b"\xd0\xd0":
                self._input = b"\xd0"
                self.counts["skipped"] += 1
            elif not b"\xd0\x6a".startswith(data):
                self._input = b""
                self.counts["skipped"] += 1
            return b""
        if len(data) < 5:
            return b""
        kind, sequence, length = data[2:5]
        if length <= 248:
            if len(data) < 9 + length:
                return b""
            if crc32(data[2:5 + length]) == int.from_bytes(data[5 + length:], "little"):
                self._input = b""
                return self._answer(kind, sequence, data[5:5 + length])
        self._input = b""
        self.counts["corrupt"] += 1
        return frame(0xFE, 0)

    def _answer(self, kind: int, sequence: int, payload: bytes) -> bytes:
        if self._last is not None and self._last[0] == sequence and kind != IDENTIFY:
            self.counts["resent"] += 1
            return self._last[1]
        status, content = self._execute(kind, payload)
        if status == OK:
            self.executed.append((kind, payload))
        else:
            self.counts["rejected"] += 1
        response = frame(kind | 0x80, sequence, bytes((status,)) + content)
        self._last = (sequence, response)
        return response

    # Requests.

    def _execute(self, kind: int, payload: bytes) -> tuple[int, bytes]:
        lengths = {IDENTIFY: 0, READ: 8, WAIT: 0, MAILBOX: 8, COUNTERS: 8, RESET: 0, CHECK: 8}
        if kind not in lengths and kind not in (WRITE, RUN):
            return UNKNOWN, b""
        if kind == RUN and (len(payload) % 16 or not 1 <= len(payload) // 16 <= 15):
            return LENGTH, b""
        if kind == WRITE and (len(payload) < 8 or len(payload) != 8 + 16 * int.from_bytes(payload[5:8], "little")):
            return LENGTH, b""
        if kind in lengths and len(payload) != lengths[kind]:
            return LENGTH, b""
        if kind in (WRITE, READ, MAILBOX, COUNTERS, CHECK):
            address, channel = struct.unpack("<IB", payload[:5])
            return self._with_args(kind, address, channel, int.from_bytes(payload[5:8], "little"), payload[8:])
        if kind == IDENTIFY:
            return OK, self.identity
        if kind == RUN:
            return self._run(payload)
        if kind == RESET:
            self.running, self.mailbox, self.overflow = False, [], False
            return OK, b""
        flags = self.running | self.overflow << 1
        return OK, struct.pack("<BBHIQ", flags, self.nodes_done, len(self.mailbox), self.errors, self.cycles)

    def _with_args(self, kind: int, address: int, channel: int, count: int, content: bytes) -> tuple[int, bytes]:
        if kind in (WRITE, READ, CHECK):
            inside = address + count <= self.channel_words or (channel in self.windows and address >= 1 << 30)
            if channel >= self.height or not 1 <= count or (kind != CHECK and count > 15) or not inside:
                return ARGUMENT, b""
            words = [(channel, address + i) for i in range(count)]
            if kind == READ:
                return OK, b"".join(self.memory.get(word, bytes(16)) for word in words)
            if kind == CHECK:
                return OK, struct.pack("<I", zlib.crc32(b"".join(self.memory.get(word, bytes(16)) for word in words)))
            for i, word in enumerate(words):
                self.memory[word] = content[16 * i:16 * i + 16]
            return OK, b""
        if kind == MAILBOX:
            if not 1 <= count <= 13 or address + count > len(self.mailbox):
                return ARGUMENT, b""
            return OK, b"".join(self.mailbox[address:address + count])
        if count > 56 or address + count > 512:
            return ARGUMENT, b""
        link = struct.pack("<8H", *(min(value, 0xFFFF) for value in self.counts.values()), 0)
        return OK, link + struct.pack(f"<{count}I", *self.registers[address:address + count])

    def _run(self, payload: bytes) -> tuple[int, bytes]:
        if self.running:
            return BUSY, b""
        word, *words = (int.from_bytes(payload[at:at + 16], "little") for at in range(0, len(payload), 16))
        first, go = word >> 69 & 31, word >> 74 & 1
        if words and first + len(words) > self.contexts:
            return ARGUMENT, b""
        self.told |= {first + number: context for number, context in enumerate(words)}
        if go:
            self.running, self.nodes_done, self.errors, self.cycles = True, 0, 0, 0
            self.mailbox, self.overflow = [], False
            if self.on_run:
                self.on_run(word & (1 << 69) - 1, dict(self.told))
        return OK, b""
