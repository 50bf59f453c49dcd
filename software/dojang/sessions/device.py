"""A session on a chip behind the host link; the simulated chip is one, a board another."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.counters import (
    CHANNEL_COUNTERS,
    CHANNEL_REGISTERS,
    FIRST_GUARD_COUNTER,
    FIRST_MEMORY_REGISTER,
    GUARD_COUNTERS,
    MEMORY_COUNTERS,
    MEMORY_REGISTERS,
)
from dojang_hdl.isa import Context, Flag

from ..compile import Image
from ..driver import Device, TransportError
from .golden import GoldenSession
from .saturation import position_entry
from .session import NonfiniteError, Part, Session, SessionError, Step

__all__ = ["DeviceSession"]

NO_TOKEN = 0xFFFFFFFF
"""Id of an empty place in a list of candidates."""

BREAKS = 5
"""Of the link in one pass that are mended."""

RUN_TIMEOUT_S = 3600.0
"""Longest pass. Four tokens of Gemma 3 270M, simulated on a slow machine, take ten minutes."""

PATROL_CYCLES = 16384
"""Between two clusters that a guard looks at: nine words, 0.05 % of the time of a memory that gives one a cycle, 0.2 %
of a board's. At 200 MHz it sees 256 MiB in 3 minutes, long before a second bit of a word is to be expected.
"""


@dataclass
class _Work:
    """Sums of counters over passes."""

    bytes: int = 0
    peak_bytes: int = 0
    engine: int = 0
    engine_cycles: int = 0

    def utilization(self) -> dict[str, float | None]:
        return {"dram_utilization": self.bytes / self.peak_bytes if self.peak_bytes else None,
                "engine_utilization": self.engine / self.engine_cycles if self.engine_cycles else None}


class DeviceSession(Session):
    """Runs an image that is already in the chip's memory.

    Parameters
    ----------
    device: the chip.
    image: what was loaded.
    guarded: the memories are, and hold the protected image.
    read_logits: float32 [vocab] of a context of the last pass, or None if nobody looks at them.
    golden: compared with after every pass, while the chip works.
    on_close: releases what belongs to the chip.
    reconnect_s: how long to wait for a link that broke; 0 if that is an error.

    Members
    -------
    image: what was loaded.
    told: contexts of the last pass.
    edge_counters: `CHANNEL_COUNTERS` of every channel in it.
    """

    def __init__(self, device: Device, image: Image, guarded: bool = False,
                 read_logits: Callable[[int], np.ndarray] | None = None, golden: GoldenSession | None = None,
                 on_close: Callable[[], None] = lambda: None, reconnect_s: float = 0.0):
        super().__init__(image.context, image.contexts, image.rows, image.sets)
        self.image = image
        self._device, self._read_logits = device, read_logits
        self._golden, self._on_close, self._reconnect_s = golden, on_close, reconnect_s
        self._decode, self._prefill = _Work(), _Work()
        self._commands = [Counter() for _ in range(image.config.channels)]
        self._guard = [Counter() for _ in range(image.config.channels)]
        self.told: list[Context] = []
        self.edge_counters: list[dict[str, int]] = []
        self._cycles, self._seconds = 0, 0.0
        self._saturated: dict[str, int] = {}
        device.identify(image.config)
        if guarded:
            for channel in range(image.config.channels):
                device.protect(channel, image.protection.tiles_end, image.protection.end, PATROL_CYCLES)
                device.clear_fault(channel)  # of an earlier session

    def jump(self, position: int, sequence: int | None = None) -> None:
        """Go on at ``position`` as if all before it had been processed: for measurements, as what a pass costs does not
        depend on what the cache holds. ``sequence``: the session's own if None.
        """
        held = self._known(self._own_sequence() if sequence is None else sequence)
        if not 0 <= position < held.positions:
            raise SessionError(f"position {position} was asked for, expected 0 to {held.positions - 1}")
        held.length = position

    def restart_counters(self) -> None:
        """From now on `summary` tells of the passes that follow; of their speed and of what was saturated, of all."""
        self._decode, self._prefill = _Work(), _Work()
        for counters in (*self._commands, *self._guard):
            counters.clear()

    def use_set(self, index: int) -> None:
        super().use_set(index)
        if self._golden:
            self._golden.use_set(index)

    def _added(self, sequence: int, start: int, positions: int) -> None:
        if self._golden:
            self._golden.add(positions)

    def _removed(self, sequence: int) -> None:
        if self._golden:
            self._golden.remove(sequence)

    def _rewound(self, sequence: int, position: int) -> None:
        if self._golden:
            self._golden.rewind(position, sequence)

    def _pass(self, parts: Sequence[Part]) -> list[list[Step]]:
        started = time.perf_counter()
        expected: list[Step] = []

        def compute_golden() -> None:
            if self._golden and not expected:
                steps = self._golden.step({part.sequence: part.tokens for part in parts})
                expected.extend(step for part in parts for step in steps[part.sequence])

        contexts = [Context(int(token), part.position + index, part.start, self._read_logits is not None,
                            index == len(part.tokens) - 1)
                    for part in parts for index, token in enumerate(part.tokens)]
        for attempt in range(BREAKS + 1):
            try:
                result, counts, logits = self._execute(contexts, compute_golden)
                break
            except TransportError:
                if not self._reconnect_s or attempt == BREAKS:
                    raise
                self._mend()
        else:
            raise AssertionError("unreachable")
        self._seconds += time.perf_counter() - started
        used, candidates = self._count(result.cycles, counts, decode=all(len(part.tokens) == 1 for part in parts))
        matches = [None if row is None or not expected else _same_bits(row, expected[c].logits)
                   for c, row in enumerate(logits)]
        reported, last = iter(candidates), len(contexts) - 1
        steps = iter([Step(next(reported) if context.choice else None, logits[c], result.cycles if c == last else 0,
                           used if c == last else 0, matches[c]) for c, context in enumerate(contexts)])
        return [[next(steps) for _ in part.tokens] for part in parts]

    def _execute(self, contexts: Sequence[Context], meanwhile: Callable[[], None]):
        """Run a pass: the run's result, its counters, the logits.

        It may be repeated when the link breaks: what it writes to the cache is its positions' alone and the same each
        time, and it reads nothing else that it writes.
        """
        program = self.image.program(len(contexts))
        # A program of more contexts computes the last one again, and nothing is asked of it.
        again = contexts[-1]._replace(logits=False, choice=False)
        self.told = [*contexts, *[again] * (program.contexts - len(contexts))]
        self._device.run(program.base, program.slot_log2, program.words, self.told, self._set)
        meanwhile()
        result = self._device.wait(RUN_TIMEOUT_S)
        if result.errors & Flag.MEMORY:
            raise SessionError(self._memory_error())
        if result.errors & ~Flag.SATURATED or result.overflow:
            kind = NonfiniteError if result.errors & Flag.NONFINITE else SessionError
            raise kind(f"the chip reports errors 0x{result.errors:02x} (bit 0: infinity or NaN in an "
                               f"activation) and mailbox overflow {result.overflow} at {self._where()}")
        if result.errors & Flag.SATURATED and not self._saturated:
            self._saturated = position_entry(contexts[0].position)
        counts = self._read_counts(result.messages)
        return result, counts, [self._read_logits(c) if self._read_logits else None for c in range(len(contexts))]

    def _where(self) -> str:
        """Positions of the last pass."""
        positions = dict.fromkeys(context.position for context in self.told)
        return f"position{'s' * (len(positions) > 1)} {', '.join(map(str, positions))}"

    def _mend(self) -> None:
        """Connect again, and let a run that is going on end: nothing may be written behind a repeated one's back."""
        self._device.reconnect(self._reconnect_s)
        if self._device.wait(RUN_TIMEOUT_S).cycles == 0:
            raise SessionError(f"the chip was reset while the link was broken, at {self._where()}: start "
                               "again, its memory cannot be trusted")

    def _memory_error(self) -> str:
        """What the guards keep."""
        faults = ((channel, self._device.fault(channel)) for channel in range(self.image.config.channels))
        places = (f"{fault.kind} at word address 0x{fault.address:x} of channel {channel}"
                  for channel, fault in faults if fault is not None)
        return f"memory error that cannot be corrected, found at {self._where()}: {', '.join(places)}"

    def _read_counts(self, messages: int):
        """The mailbox, and by channel the counters of its edge, its memory and its guard."""
        channels = []
        for channel in range(self.image.config.channels):
            memory = FIRST_MEMORY_REGISTER + channel * MEMORY_REGISTERS
            channels.append((self._registers(channel * CHANNEL_REGISTERS, CHANNEL_COUNTERS),
                             self._registers(memory, MEMORY_COUNTERS),
                             self._registers(memory + FIRST_GUARD_COUNTER, GUARD_COUNTERS)))
        return self._device.mailbox(messages), channels

    def _count(self, cycles: int, counts, decode: bool) -> tuple[int, list[tuple[np.ndarray, np.ndarray]]]:
        """Sum up the counters of a pass: the bytes moved by all channels; the candidates of the contexts that they were
        asked of.
        """
        config = self.image.config
        (candidates, counters), channels = counts
        self.edge_counters = [edge for edge, _, _ in channels]
        moved = 0
        for channel, (edge, memory, guard) in enumerate(channels):
            moved += (edge["useful_read"] + edge["useful_written"]) * WORD_BYTES
            if decode:
                self._commands[channel].update(memory)
                self._guard[channel].update(guard)
        self._cycles += cycles
        work = self._decode if decode else self._prefill
        work.peak_bytes += cycles * config.peak_bytes_per_cycle
        work.bytes += moved
        for busy, weights, activations, total in counters.values():
            work.engine += busy - weights - activations
            work.engine_cycles += total
        reports = (config.top_k * number for number in range(sum(context.choice for context in self.told)))
        return moved, [_best([(node.ids[at:at + config.top_k], node.values[at:at + config.top_k])
                              for node in candidates.values()], config.top_k) for at in reports]

    def _registers(self, first: int, names: Sequence[str]) -> dict[str, int]:
        return dict(zip(names, self._device.registers(first, len(names)), strict=True))

    def prefill_utilization(self) -> dict[str, float | None]:
        """``dram_utilization`` and ``engine_utilization`` of the passes of `prefill`, None without any."""
        return self._prefill.utilization()

    def summary(self) -> dict:
        return {
            **self._decode.utilization(),
            "simulated_hz": self._cycles / self._seconds if self._seconds else None,
            "memory_commands": [dict(commands) for commands in self._commands],
            "memory_guard": [dict(events) for events in self._guard],
            "saturated": self._saturated | (self._golden.summary()["saturated"] if self._golden else {}),
        }

    def close(self) -> None:
        on_close, self._on_close = self._on_close, lambda: None
        on_close()


def _best(lists: Sequence[tuple[np.ndarray, np.ndarray]], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids and values of the largest of all nodes' lists."""
    ids, values = (np.concatenate(parts) for parts in zip(*lists, strict=True))
    real = (ids != NO_TOKEN) & (values > -np.inf)  # a node without vocabulary rows offers one -infinity
    ids, values = ids[real].astype(np.int64), values[real]
    order = np.lexsort((ids, -values))[:count]
    return ids[order], values[order]


def _same_bits(got: np.ndarray, expected: np.ndarray | None) -> bool:
    return expected is not None and np.array_equal(got.view(np.uint32), expected.view(np.uint32))
