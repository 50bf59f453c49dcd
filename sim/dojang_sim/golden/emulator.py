"""Instruction-level model of the nodes: runs compiled programs on numpy memories (docs/reference/program.md).

Values are those of the golden engine and vector unit. Order is adversarial: nodes are interleaved and packets
delayed at random, and every reliance on an order that the hardware does not guarantee raises `HazardError`.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.isa import Context, Flag

from .emulated_node import Node, TraceEntry
from .tracked_sram import HazardError

__all__ = ["Emulator", "HazardError", "RunResult", "TraceEntry"]


@dataclass
class RunResult:
    """What a pass left.

    Members
    -------
    candidates: per node, by context that they were asked of, best first, (FP32 value, token id).
    errors: per node, its flags.
    instructions: per node, executed ones.
    words_read, words_written: per memory channel, program fetches not counted.
    trace: executed instructions in order of execution, if asked for.
    """

    candidates: list[dict[int, list[tuple[float, int]]]]
    errors: list[Flag]
    instructions: list[int]
    words_read: list[int]
    words_written: list[int]
    trace: list[TraceEntry] = field(default_factory=list)


@dataclass
class _Packet:
    addr: int
    values: np.ndarray
    tag: int
    source: int
    epoch: int
    clock: np.ndarray
    origin: tuple[int, int] | None = None  # channel and first byte of a LOAD, to see that nothing changed meanwhile


class Emulator:
    """A chip's nodes on numpy memories.

    Parameters
    ----------
    config: the chip.
    memories: one uint8 array per channel (changed by a run); shorter than ``channel_words`` words is allowed.
    seed: of the interleaving.
    """

    def __init__(self, config: ChipConfig, memories: Sequence[np.ndarray], seed: int = 0):
        self.config, self.memories = config, memories
        self.sources = config.nodes * (1 + config.channels)
        self._random = np.random.default_rng(seed)
        self.nodes = [Node(self, index) for index in range(config.nodes)]
        self.trace: list[TraceEntry] | None = None
        self._changed = [set() for _ in range(config.channels)]   # addresses of words written in the present pass

    def run(self, base: int, slot_log2: int, words: int, contexts: Sequence[Context], set: int = 0,
            trace: bool = False) -> RunResult:
        """Run the program of every node from `base` on to its END.

        Parameters
        ----------
        base, slot_log2, words, set: fields of RUN.
        contexts: those of the pass.
        trace: record every instruction's LOCAL writes.

        Raises
        ------
        HazardError: a program relies on luck, or all nodes wait for ever.
        """
        if not 0 < len(contexts) <= self.config.contexts:
            raise ValueError(f"{len(contexts)} contexts, expected 1 to {self.config.contexts}")
        registers = [context.registers(set if self.config.coded else 0) for context in contexts]
        self.trace = [] if trace else None
        self.words_read, self.words_written = ([0] * self.config.channels for _ in range(2))
        for words_changed in self._changed:
            words_changed.clear()
        self._paths: dict[tuple[int, int], deque[_Packet]] = {}
        self._epochs = np.zeros(self.sources, np.int64)
        for node in self.nodes:
            program = self.peek(node.index // self.config.width, base + (node.index << slot_log2), words)
            node.start(program, registers)
        self._interleave()
        return RunResult([node.candidates for node in self.nodes], [node.errors for node in self.nodes],
                         [node.executed for node in self.nodes], self.words_read, self.words_written, self.trace or [])

    def _interleave(self) -> None:
        """Bursts of a random node's instructions and deliveries of a random path's packets until all have ended."""
        running = list(self.nodes)
        while running:
            progress = False
            for index in self._random.permutation(len(running)):
                for _ in range(int(self._random.integers(1, 40))):
                    if not running[index].running or not running[index].step():
                        break
                    progress = True
            paths = list(self._paths.items())
            delivered = self._random.random(len(paths)) < self._random.random()
            if not progress and len(paths):
                delivered[self._random.integers(len(paths))] = True
            for (path, queue), chosen in zip(paths, delivered, strict=True):
                if chosen:
                    self._deliver(path, queue)
            running = [node for node in running if node.running]
            if running and not progress and not paths:
                raise HazardError("all nodes wait: " + ", ".join(f"node {n.index} at pc {n.pc}" for n in running))

    def post(self, target: int, addr: int, values: np.ndarray, tag: int, source: int, clock: np.ndarray,
             origin: tuple[int, int] | None = None) -> None:
        """Put words on their way to RX of `target`, in two pieces that may be delivered apart."""
        cut = int(self._random.integers(len(values) // 4 + 1))
        for first, last in ((0, cut), (cut, len(values) // 4)):
            if first == last:
                continue
            if source < self.config.nodes:
                epoch = int(clock[source])
                sent = clock.copy()
            else:  # pieces of LOADs are epochs of their own path
                self._epochs[source] += 1
                epoch = int(self._epochs[source])
                sent = clock.copy()
                sent[source] = epoch
            piece = None if origin is None else (origin[0], origin[1] + first)
            packet = _Packet(addr + first, values[4 * first:4 * last], tag, source, epoch, sent, piece)
            self._paths.setdefault((source, target), deque()).append(packet)

    def _deliver(self, path: tuple[int, int], queue: deque[_Packet]) -> None:
        packet = queue.popleft()
        if not queue:
            del self._paths[path]
        node = self.nodes[path[1]]
        words = len(packet.values) // 4
        if packet.origin is not None:
            channel, addr = packet.origin
            if not np.array_equal(packet.values.view(np.uint8), self.peek(channel, addr, words)):
                raise HazardError(f"memory {addr:#x} of channel {channel} changed between LOAD and arrival")
        node.rx.write(packet.addr, packet.values, packet.source, packet.epoch, packet.clock)
        node.arrived[packet.tag].append([words, packet.clock])

    def peek(self, channel: int, addr: int, words: int) -> np.ndarray:
        """Bytes of memory words, a copy."""
        return np.array(self.memories[channel][addr * WORD_BYTES:(addr + words) * WORD_BYTES])

    def read_words(self, channel: int, addr: int, words: int) -> np.ndarray:
        self.words_read[channel] += words
        return self.peek(channel, addr, words)

    def changed(self, channel: int, addr: int, words: int) -> bool:
        """Whether any of the words has been written in this pass."""
        return not self._changed[channel].isdisjoint(range(addr, addr + words))

    def write_bytes(self, channel: int, start: int, values: np.ndarray) -> None:
        self.words_written[channel] += -(-len(values) // WORD_BYTES)
        self._changed[channel].update(range(start // WORD_BYTES, -(-(start + len(values)) // WORD_BYTES)))
        self.memories[channel][start:start + len(values)] = values
