"""Building one node's program: instructions in order of meaning, streams moved ahead of it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from dojang_hdl import isa
from dojang_hdl.isa import URGENT, Op, Reg, Stream

__all__ = ["COUNT_LIMIT", "QUEUE", "Count", "Phase", "Program", "ProgramBuilder"]

QUEUE = 8
"""STREAM commands that the readers of every chip queue, and so those that an instruction may consume."""

COUNT_LIMIT = (1 << 16) - 1
"""The largest n of an instruction."""


@dataclass(frozen=True)
class Count:
    """n = base + clamp((R[reg] + bias) >> shift, 0, limit) * mul, with the registers of ``context``."""

    base: int = 0
    reg: int = Reg.ZERO
    shift: int = 0
    bias: int = 0
    limit: int = 0
    mul: int = 0
    context: int = 0

    def fields(self) -> dict[str, int]:
        return {"n_base": self.base, "n_reg": self.reg, "n_shift": self.shift, "n_bias": self.bias,
                "n_max": self.limit, "n_mul": self.mul, "context": self.context}


class Phase(NamedTuple):
    """What instructions are for: a part of the pass, of a layer or of none."""

    name: str = ""
    layer: int | None = None

    def __str__(self) -> str:
        return self.name if self.layer is None else f"layer {self.layer}: {self.name}"


class Program(NamedTuple):
    """A node's program: its memory words, as bytes, and the phase of every instruction."""

    text: np.ndarray
    phases: list[Phase]


@dataclass
class _Entry:
    words: tuple[int, int]
    phase: Phase
    stream: Stream | None = None   # a STREAM of this kind
    after: int = 0                 # a STREAM may not be moved before this entry
    consumer: int = -1             # the entry that consumes a STREAM


class ProgramBuilder:
    """Collects instructions; `finish` moves every STREAM as early as order, hazards and the queue allow.

    A STREAM is emitted just before the instruction that consumes it, with ``after`` telling what it must not be
    moved ahead of: the writer of the memory it reads. STREAMs of one kind keep their order.

    Parameters
    ----------
    queues: STREAM commands a reader queues, prefetched and urgent ones: so many are issued and not yet consumed at
        most, hence STREAM waits at most for the instruction at work.

    Members
    -------
    phase: of the instructions that follow.
    """

    def __init__(self, queues: tuple[int, int] = (QUEUE, QUEUE)):
        self._queues = {kind: queues[kind in URGENT] for kind in Stream}
        self.phase = Phase()
        self._entries: list[_Entry] = []
        self._waiting: list[_Entry] = []

    def __len__(self) -> int:
        """Position of the next instruction, for ``after``."""
        return len(self._entries)

    def emit(self, op: Op, n: int | Count = 1, **fields: int) -> None:
        """Append an instruction that consumes no stream."""
        count = n.fields() if isinstance(n, Count) else {"n_base": n}
        if isinstance(n, Count) and fields.get("context", n.context) != n.context:
            raise ValueError(f"{op.name} counts by context {n.context}, its address is of context {fields['context']}")
        self._entries.append(_Entry(isa.encode(op, **count | fields), self.phase))

    def stream(self, kind: Stream, n: int | Count, after: int = 0, **fields: int) -> None:
        """A STREAM for the next `consume`."""
        if isinstance(n, int) and n > COUNT_LIMIT:
            half = COUNT_LIMIT // 2 + 1  # keeps requests aligned to any chunk
            self.stream(kind, half, after, **fields)
            self.stream(kind, n - half, after, **(fields | {"addr": fields["addr"] + half}))
            return
        self.emit(Op.STREAM, n, stream=kind, **fields)
        entry = self._entries[-1]
        entry.stream, entry.after = kind, after
        self._waiting.append(entry)

    def consume(self, op: Op, n: int | Count, **fields: int) -> None:
        """Append an instruction that consumes all STREAMs since the previous `consume`."""
        for kind in Stream:
            commands = sum(entry.stream == kind for entry in self._waiting)
            if commands > self._queues[kind]:
                raise ValueError(f"{op.name} would need {commands} STREAMs of {kind.name}, the queue holds "
                                 f"{self._queues[kind]}")
        for entry in self._waiting:
            entry.consumer = len(self._entries)
        self._waiting = []
        self.emit(op, n, **fields)

    def finish(self) -> Program:
        """The program; a STREAM that was moved keeps the phase of what consumes it."""
        order = self._order()
        raw = b"".join(word.to_bytes(16, "little") for entry in order for word in entry.words)
        return Program(np.frombuffer(raw, np.uint8), [entry.phase for entry in order])

    def _order(self) -> list[_Entry]:
        """All entries, STREAMs where they are executed."""
        ahead: dict[int, list[_Entry]] = {}
        consumers = {kind: [] for kind in Stream}
        last = dict.fromkeys(Stream, 0)
        for entry in self._entries:
            if entry.stream is None:
                continue
            earlier, queue = consumers[entry.stream], self._queues[entry.stream]
            room = earlier[-queue] + 1 if len(earlier) >= queue else 0
            last[entry.stream] = max(last[entry.stream], entry.after, room)
            ahead.setdefault(last[entry.stream], []).append(entry)
            earlier.append(entry.consumer)
        order = []
        for index, entry in enumerate([*self._entries, None]):
            order += ahead.get(index, ())
            if entry is not None and entry.stream is None:
                order.append(entry)
        return order
