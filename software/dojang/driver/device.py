"""What a chip can do for its host."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.guard import layout as guard
from dojang_hdl.guard.layout import Register
from dojang_hdl.host import protocol
from dojang_hdl.host.identity import fingerprint
from dojang_hdl.host.protocol import Message, Request
from dojang_hdl.isa import Context, pack, unpack

from .link import Link, LinkError, LinkTimeout
from .transport import Transport

__all__ = ["Candidates", "Device", "Identity", "MemoryFault", "RunResult"]

CANDIDATE = np.dtype([("value", "<f4"), ("id", "<u4")])


@dataclass(frozen=True)
class Identity:
    """What IDENTIFY tells of the chip: its configuration, and its clock (0 if unknown or simulated).

    ``fingerprint``: of the whole configuration, see `dojang_hdl.host.identity`.
    """

    width: int
    height: int
    lanes: int
    contexts: int
    top_k: int
    channel_mib: int
    fingerprint: int
    clock_hz: int


@dataclass(frozen=True)
class RunResult:
    """A finished run. ``errors``: OR of the nodes' bits; ``messages``: stored; ``overflow``: more were dropped."""

    cycles: int
    errors: int
    nodes_done: int
    messages: int
    overflow: bool


@dataclass(frozen=True)
class Candidates:
    """One node's candidates in the order it sent them: FP32 values, and ids."""

    values: np.ndarray
    ids: np.ndarray


@dataclass(frozen=True)
class MemoryFault:
    """What a guard keeps: one of `FAULT_KINDS`, and the word address of the block's first data word."""

    kind: str
    address: int


class Device:
    """A chip behind a transport. Every method may raise `LinkTimeout`, `LinkError` or `TransportError`.

    Parameters
    ----------
    transport: the byte stream.
    timeout_s, attempts: see `Link`.
    """

    def __init__(self, transport: Transport, timeout_s: float = 2.0, attempts: int = 8):
        self.link = Link(transport, timeout_s, attempts)
        self._expected: ChipConfig | None = None

    def identify(self, expected: ChipConfig | None = None) -> Identity:
        """The chip's identity; must come first. A LinkError tells what differs from the protocol or ``expected``."""
        self.link.drain()
        answer = self.link.request(Request.IDENTIFY)
        word = unpack(protocol.IDENTITY, int.from_bytes(answer, "little"))
        if word.pop("magic") != protocol.MAGIC:
            raise LinkError("what answers on this link is not a Dojang chip")
        if (version := word.pop("version")) != protocol.VERSION:
            raise LinkError(f"the chip speaks version {version} of the link protocol, this driver {protocol.VERSION}")
        if len(answer) != protocol.IDENTITY_BYTES:
            raise LinkError(f"the chip answered IDENTIFY with {len(answer)} bytes instead of {protocol.IDENTITY_BYTES}")
        identity = Identity(**word)
        if expected is not None and identity.fingerprint != fingerprint(expected):
            wrong = [f"{name} is {value}, expected {getattr(expected, name)}" for name, value in word.items()
                     if value != getattr(expected, name, value)]
            if not wrong:
                wrong = [f"its fingerprint is {identity.fingerprint:08x}, expected {fingerprint(expected):08x}"]
            raise LinkError(f"the chip is not {expected.name}: {'; '.join(wrong)}")
        self._expected = expected
        return identity

    def write_memory(self, channel: int, byte_addr: int, data: bytes, physical: bool = False,
                     written: Callable[[int], None] = lambda count: None) -> None:
        """Write whole words of 16 bytes at a word-aligned address.

        Parameters
        ----------
        physical: the address is one of the memory behind a guard, headers and all, which does not interfere.
        written: called with the number of bytes of each part that is there, in order.
        """
        data = bytes(data)
        self._check_aligned(byte_addr, len(data))
        byte_addr += guard.PHYSICAL_WINDOW * WORD_BYTES if physical else 0
        step = protocol.MAX_WORDS * WORD_BYTES
        parts = [data[at:at + step] for at in range(0, len(data), step)]
        first, words = byte_addr // WORD_BYTES, step // WORD_BYTES
        requests = [(Request.WRITE, self._args(first + number * words, len(part) // WORD_BYTES, channel) + part, 0)
                    for number, part in enumerate(parts)]
        for part, _ in zip(parts, self._answers(requests), strict=True):
            written(len(part))

    def read_memory(self, channel: int, byte_addr: int, length: int, physical: bool = False) -> bytes:
        """Read whole words of 16 bytes from a word-aligned address; ``physical`` as in `write_memory`."""
        self._check_aligned(byte_addr, length)
        byte_addr += guard.PHYSICAL_WINDOW * WORD_BYTES if physical else 0
        step = protocol.MAX_WORDS * WORD_BYTES
        parts = ((byte_addr + at, min(step, length - at)) for at in range(0, length, step))
        return b"".join(self._pipeline([
            (Request.READ, self._args(at // WORD_BYTES, size // WORD_BYTES, channel), size) for at, size in parts]))

    def check_memory(self, channel: int, ranges: Sequence[tuple[int, int]], physical: bool = False) -> list[int]:
        """CRC-32, as zlib's, that the chip computes over each of ``ranges``: byte address and length, whole words.

        A range should take below a second: the chip does about a word in 22 cycles.
        """
        requests = []
        for byte_addr, length in ranges:
            self._check_aligned(byte_addr, length)
            byte_addr += guard.PHYSICAL_WINDOW * WORD_BYTES if physical else 0
            requests.append((Request.CHECK, self._args(byte_addr // WORD_BYTES, length // WORD_BYTES, channel),
                             protocol.CHECK_BYTES))
        return [int.from_bytes(answer, "little") for answer in self._pipeline(requests)]

    # Registers of a guarded memory; without a guard they are addresses out of range.

    def protect(self, channel: int, tiles_end: int, end: int, patrol: int) -> None:
        """Say what a channel's memory holds: see `dojang_hdl.guard.layout.CONTROL`."""
        self._write_register(channel, Register.CONTROL,
                             pack(guard.CONTROL, {"tiles_end": tiles_end, "end": end, "patrol": patrol}))

    def fault(self, channel: int) -> MemoryFault | None:
        """The first error since `clear_fault`."""
        word = self.read_memory(channel, _register(Register.FAULT), WORD_BYTES)
        fault = unpack(guard.FAULT, int.from_bytes(word, "little"))
        return MemoryFault(guard.FAULT_KINDS[fault["kind"]], fault["address"]) if fault["error"] else None

    def clear_fault(self, channel: int) -> None:
        self._write_register(channel, Register.FAULT, 0)

    def inject(self, channel: int, mask: int, skip: int = 0, count: int = 1, write: bool = False) -> None:
        """Invert the bits of ``mask`` (128 bits) in words that are read from the memory, or written to it.

        Parameters
        ----------
        skip, count: words, headers included, that pass unchanged from now on; then those that are changed.
        """
        self._write_register(channel, Register.INJECT_MASK, mask)
        self._write_register(channel, Register.INJECT,
                             pack(guard.INJECT, {"skip": skip, "count": count, "write": int(write)}))

    def run(self, base: int, slot_log2: int, words: int, contexts: Sequence[Context], set: int = 0) -> None:
        """Tell the nodes of the contexts of a pass and start their programs: see `dojang_hdl.isa.RUN`."""
        for first in range(0, len(contexts), protocol.MAX_CONTEXTS):
            told = contexts[first:first + protocol.MAX_CONTEXTS]
            word = pack(protocol.RUN, {"base": base, "slot_log2": slot_log2, "words": words, "set": set, "first": first,
                                       "go": int(first + len(told) == len(contexts))})
            payload = b"".join(value.to_bytes(WORD_BYTES, "little") for value in (word, *(c.word() for c in told)))
            self._request(Request.RUN, payload, 0)

    def wait(self, timeout_s: float | None = None) -> RunResult:
        """The run's result; polls until it has ended. Raises LinkTimeout when it has not after ``timeout_s``."""
        started = time.monotonic()
        while True:
            state = unpack(protocol.WAIT, int.from_bytes(self._request(Request.WAIT, b"", WORD_BYTES), "little"))
            if not state["running"]:
                return RunResult(state["cycles"], state["errors"], state["nodes_done"], state["messages"],
                                 bool(state["overflow"]))
            if timeout_s is not None and time.monotonic() - started >= timeout_s:
                raise LinkTimeout(f"the run has not ended after {timeout_s:g} s: {state['nodes_done']} nodes are done "
                                  f"after {state['cycles']} cycles")

    def messages(self, count: int) -> list[tuple[int, int, Message, bytes]]:
        """The first ``count`` stored messages: x, y, type, 16 bytes of payload; `RunResult.messages` are there."""
        raw = bytearray()
        for index in range(0, count, protocol.MAX_MESSAGES):
            number = min(count - index, protocol.MAX_MESSAGES)
            raw += self._request(Request.MAILBOX, self._args(index, number), number * protocol.MESSAGE_BYTES)
        size = protocol.MESSAGE_BYTES
        return [(raw[at] & 15, raw[at] >> 4, Message(raw[at + 1]), bytes(raw[at + 2:at + size]))
                for at in range(0, len(raw), size)]

    def mailbox(self, count: int) -> tuple[dict[tuple[int, int], Candidates], dict[tuple[int, int], list[int]]]:
        """The first ``count`` messages, sorted: candidates, and counter values in order of arrival, by node (x, y)."""
        payloads: dict[Message, dict[tuple[int, int], bytes]] = {Message.CANDIDATES: {}, Message.COUNTERS: {}}
        for x, y, kind, payload in self.messages(count):
            nodes = payloads[kind]
            nodes[x, y] = nodes.get((x, y), b"") + payload
        candidates = {}
        for node, payload in payloads[Message.CANDIDATES].items():
            pairs = np.frombuffer(payload, CANDIDATE)
            candidates[node] = Candidates(pairs["value"].copy(), pairs["id"].copy())
        counters = {node: np.frombuffer(payload, "<u4").tolist()
                    for node, payload in payloads[Message.COUNTERS].items()}
        return candidates, counters

    def registers(self, first: int, count: int) -> list[int]:
        """``count`` 32-bit counter registers of the chip from number ``first``."""
        values: list[int] = []
        while len(values) < count:
            number = min(count - len(values), protocol.MAX_REGISTERS)
            answer = self._request(Request.COUNTERS, self._args(first + len(values), number),
                                   WORD_BYTES + number * protocol.REGISTER_BYTES)
            values += np.frombuffer(answer[WORD_BYTES:], "<u4").tolist()
        return values

    def counters(self) -> dict[str, int]:
        """Error counters of the link: the bridge's as ``chip_*``, the driver's as ``host_*``."""
        answer = self._request(Request.COUNTERS, self._args(0, 0), WORD_BYTES)
        chip = unpack(protocol.LINK_COUNTERS, int.from_bytes(answer, "little"))
        return {**{f"chip_{name}": value for name, value in chip.items() if name != "pad"},
                **{f"host_{name}": value for name, value in self.link.statistics.items()}}

    def reset(self) -> None:
        """Reset the nodes; a run going on is lost."""
        self._request(Request.RESET, b"", 0)

    def _write_register(self, channel: int, register: Register, value: int) -> None:
        self.write_memory(channel, _register(register), value.to_bytes(WORD_BYTES, "little"))

    def guarded(self, channel: int) -> bool:
        """There is a guard at this channel's memory."""
        try:
            self.fault(channel)
        except LinkError as error:
            if error.status is not protocol.Status.ARGUMENT:
                raise
            return False
        return True

    def reconnect(self, timeout_s: float) -> None:
        """Open a broken link again, waiting for its other end. What was asked and not answered may have been executed.
        """
        self.link.reopen(timeout_s)
        self.identify(self._expected)

    def _pipeline(self, requests: Sequence[tuple[Request, bytes, int]]) -> list[bytes]:
        """Answers to (type, payload, bytes of the answer)."""
        return list(self._answers(requests))

    def _answers(self, requests: Sequence[tuple[Request, bytes, int]]) -> Iterator[bytes]:
        """The answers of `_pipeline` as they come."""
        for (kind, _, expected), answer in zip(
                requests, self.link.pipeline((kind, payload) for kind, payload, _ in requests), strict=True):
            if len(answer) != expected:
                raise LinkError(f"the chip answered {kind.name} with {len(answer)} bytes instead of {expected}")
            yield answer

    def _request(self, kind: Request, payload: bytes, expected: int) -> bytes:
        answer = self.link.request(kind, payload)
        if len(answer) != expected:
            raise LinkError(f"the chip answered {kind.name} with {len(answer)} bytes instead of {expected}")
        return answer

    @staticmethod
    def _args(address: int, count: int, channel: int = 0) -> bytes:
        word = pack(protocol.ARGS, {"address": address, "channel": channel, "count": count})
        return word.to_bytes(protocol.ARGS_BYTES, "little")

    @staticmethod
    def _check_aligned(byte_addr: int, length: int) -> None:
        if byte_addr % WORD_BYTES or length % WORD_BYTES:
            raise ValueError(f"address {byte_addr} and length {length} must be multiples of {WORD_BYTES} bytes")


def _register(register: Register) -> int:
    """Byte address of a guard's register."""
    return (guard.REGISTER_WINDOW + register) * WORD_BYTES
