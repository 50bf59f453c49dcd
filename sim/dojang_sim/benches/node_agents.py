"""What a lone node sees at its west links: memory channel and host, as cocotb agents with random stalls and delays."""

import random
from collections import Counter, deque
from collections.abc import Sequence

import numpy as np
from dojang_hdl.config import ELEMENTS, WORD_BYTES
from dojang_hdl.isa import Context, Mode
from dojang_hdl.mesh.flit import DataFlit, DataKind, HostType, RequestFlit, RequestKind, RunLayout

__all__ = ["HostModel", "MemoryModel", "Replies"]


class Replies:
    """Drives data flits into ``port``, each not before its time; a driver for `stream_agents.run`."""

    def __init__(self, dut, port: str, rng: random.Random, stall: float):
        self._valid, self._ready, self._payload = (getattr(dut, f"{port}__{name}")
                                                   for name in ("valid", "ready", "payload"))
        self._rng, self._stall = rng, stall
        self._queue: deque[tuple[int, int]] = deque()
        self._offered = False
        self.cycle = 0

    def send(self, flit: dict, delay: int = 0) -> None:
        """Queue a flit that may leave ``delay`` cycles from now."""
        self._queue.append((self.cycle + delay, DataFlit.const(flit).as_bits()))

    def drive(self):
        if not self._offered:
            due = bool(self._queue) and self._queue[0][0] <= self.cycle
            self._offered = due and self._rng.random() >= self._stall
            self._valid.value = int(self._offered)
            if self._offered:
                self._payload.value = self._queue[0][1]

    def sample(self):
        self.cycle += 1
        if self._offered and int(self._ready.value):
            self._offered = False
            self._queue.popleft()


class MemoryModel:
    """Serves request flits in order on a numpy memory; HOST flits are collected.

    Attributes
    ----------
    memory: uint8.
    messages: (type, payload) of HOST flits.
    asked: words by kind, of all runs.
    """

    def __init__(self, memory: np.ndarray, replies: Replies, rng: random.Random, latency: int):
        self.memory, self._replies, self._rng, self._latency = memory, replies, rng, latency
        self.messages: list[tuple[HostType, int]] = []
        self.asked: Counter[DataKind] = Counter()

    def request(self, bits: int) -> None:
        """One flit; ``received`` of a `Monitor`."""
        flit = RequestFlit.from_bits(bits)
        assert (flit.row, flit.x, flit.y) == (0, 0, 0)
        if flit.kind == RequestKind.HOST:
            self.messages.append((HostType(flit.addr), flit.payload))
        elif flit.kind == RequestKind.WRITE:
            for byte in range(WORD_BYTES):
                if flit.mask >> byte & 1:
                    self.memory[flit.addr * WORD_BYTES + byte] = flit.payload >> 8 * byte & 0xFF
        else:
            assert 1 <= flit.length <= 256
            self.asked[DataKind(flit.reply)] += flit.length
            delay = self._latency + self._rng.randrange(self._latency)
            for index in range(flit.length):
                at = (flit.addr + index) * WORD_BYTES
                word = int.from_bytes(self.memory[at:at + WORD_BYTES].tobytes(), "little")
                self._replies.send({"mode": Mode.UNICAST, "kind": flit.reply, "addr": flit.reply_addr + index & 0xFFFF,
                                    "tag": flit.tag, "mask": (1 << ELEMENTS) - 1, "payload": word}, delay)


class HostModel:
    """Starts runs and takes their messages apart."""

    def __init__(self, memory: MemoryModel, replies: Replies):
        self._memory, self._replies = memory, replies

    def run(self, base: int, words: int, contexts: Sequence[Context], number: int) -> None:
        """CONTEXT and RUN flits, as the host bridge sends them; ``number``: of the scale set."""
        self._memory.messages.clear()
        for index, context in enumerate(contexts):
            self._replies.send({"mode": Mode.ALL, "kind": DataKind.CONTEXT, "addr": index, "payload": context.word()})
        run = RunLayout.const({"base": base, "slot_log2": 12, "words": words, "set": number})
        self._replies.send({"mode": Mode.ALL, "kind": DataKind.RUN, "payload": run.as_bits()})

    @property
    def done(self) -> bool:
        return bool(self._memory.messages) and self._memory.messages[-1][0] == HostType.DONE

    def results(self, top_k: int, reports: int) -> tuple[list[list[tuple[int, int]]], list[int], int]:
        """Candidates of each REPORT as (FP32 bits, id), the four counters, the error bits; the order of messages is
        checked."""
        kinds = [kind for kind, _ in self._memory.messages]
        expected = [HostType.CANDIDATES] * (reports * top_k // 2) + [HostType.COUNTERS, HostType.DONE]
        assert kinds == expected, f"messages {[kind.name for kind in kinds]}"
        words = [[payload >> 32 * index & 0xFFFFFFFF for index in range(ELEMENTS)]
                 for _, payload in self._memory.messages]
        candidates = [(payload[at], payload[at + 1]) for payload in words[:-2] for at in (0, 2)]
        return ([candidates[at:at + top_k] for at in range(0, len(candidates), top_k)], words[-2], words[-1][0])
