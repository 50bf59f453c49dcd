"""Random legal programs for one node: every opcode, dynamic counts and addresses, streams ahead of their consumers."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from dojang_hdl import isa
from dojang_hdl.config import ELEMENTS, WORD_BYTES, ChipConfig
from dojang_hdl.isa import URGENT, Add, Fn, Mode, Mul, Mul2, Op, Reduce, Reg, Round, ScaleMode, Stream

__all__ = ["BITS", "FLOATS", "PROGRAM", "RX", "ProgramWriter", "random_memory"]

RX = 0x8000
FLOATS, BITS, SCALES, CACHE, DUMP, PROGRAM = 0, 0x800, 0x2000, 0x3000, 0x4000, 0x8000
"""First words of the memory's areas: FP32 numbers, plane bits, FP16 scales, what programs change, SRAM at the end."""

MODES = (ScaleMode.NONE, ScaleMode.SCALE, ScaleMode.AFFINE)
"""Of products that every chip takes."""

MOST = 96
"""Elements of a vector, at most."""


def random_memory(words: int, seed: int) -> np.ndarray:
    """Bytes of a memory channel with the areas filled."""
    rng = np.random.default_rng(seed)
    memory = rng.integers(0, 256, words * WORD_BYTES, np.uint8)

    def area(first, last):
        return memory[first * WORD_BYTES:last * WORD_BYTES]

    floats = rng.standard_normal((BITS - FLOATS) * ELEMENTS) * 2.0 ** rng.integers(-12, 6, (BITS - FLOATS) * ELEMENTS)
    area(FLOATS, BITS)[:] = floats.astype("<f4").view(np.uint8)
    scales = rng.standard_normal((CACHE - SCALES) * 2 * ELEMENTS) * 2.0 ** rng.integers(
        -20, 2, (CACHE - SCALES) * 2 * ELEMENTS)
    area(SCALES, CACHE)[:] = scales.astype("<f2").view(np.uint8)
    return memory


class ProgramWriter:
    """Writes one random program that keeps the rules of docs/reference/program.md.

    Parameters
    ----------
    registers: values of `Reg`, by context.
    scalars, halves: scalar registers that hold something, and something on the FP16 grid; updated.
    """

    def __init__(self, config: ChipConfig, rng: random.Random, registers: Sequence[dict[int, int]], scalars: set,
                 halves: set):
        self.config, self.rng, self.registers = config, rng, registers
        self.scalars, self.halves = scalars, halves
        self.text: list[tuple[int, int]] = []
        self.written = {bank: np.zeros(config.sram_words * ELEMENTS, bool) for bank in (0, RX)}
        self.pending = {tag: deque() for tag in range(4)}       # (first RX word, words, is a LOAD)
        self.consumers: deque[tuple[Callable[[], None], dict[Stream, int], list[tuple[int, int]]]] = deque()
        self.reading: list[tuple[int, int]] = []                # memory words of LOADs on their way
        self.kept = MOST // ELEMENTS * config.contexts          # words of RX that `_begin` loads and nothing changes
        self.listed: set[int] = set()                           # contexts that have a list of candidates

    def write(self, steps: int) -> bytes:
        """The program, with some NOPs behind END."""
        self._begin()
        actions = (self._load, self._load, self._send, self._wait, self._vec, self._vec, self._vec, self._gemv,
                   self._gemv, self._vput, self._consume, self._consume, self._kput, self._sput, self._store,
                   self._topk, self._nothing)
        for _ in range(steps):
            self.rng.choice(actions)()
        self._finish()
        words = [word for instruction in self.text for word in instruction] + [0] * (2 * self.rng.randrange(9))
        return b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)

    # Encoding

    def _emit(self, op: Op, n: int, addr: int | None = None, context: int | None = None, **fields) -> None:
        """An instruction whose count and address come about somehow; ``context``: any, if None."""
        context = self.rng.randrange(len(self.registers)) if context is None else context
        if addr is not None and op != Op.SPUT:
            fields |= self._dynamic_address(addr, self.registers[context])
        elif addr is not None:
            fields["addr"] = addr
        self.text.append(isa.encode(op, context=context, **(fields | self._dynamic_count(n, self.registers[context]))))

    def _dynamic_count(self, n: int, registers: dict[int, int]) -> dict[str, int]:
        rng = self.rng
        reg = rng.choice([reg for reg, value in sorted(registers.items()) if value < 1 << 16])
        bias, shift, most, mul = rng.randint(-300, 300), rng.randrange(8), rng.randrange(20), rng.randrange(5)
        part = min(max(registers[reg] + bias >> shift, 0), most) * mul
        if part > n:
            mul = part = 0
        return {"n_base": n - part, "n_reg": reg, "n_bias": bias, "n_shift": shift, "n_max": most, "n_mul": mul}

    def _dynamic_address(self, addr: int, registers: dict[int, int]) -> dict[str, int]:
        rng, reg = self.rng, self.rng.choice(sorted(registers))
        bias, shift, mul = rng.randint(-400, 255), rng.randrange(12), rng.randrange(64)
        part = (max(registers[reg] + bias, registers[Reg.START] if reg == Reg.ROW else 0) >> shift) * mul
        if part > addr:
            mul = part = 0
        return {"addr": addr - part, "m_reg": reg, "m_bias": bias, "m_shift": shift, "m_mul": mul}

    # Places

    def _readable(self, elements: int) -> int:
        """Address of a run of elements that hold something."""
        for attempt in range(400):
            if attempt == 200:
                self._wait_for_all()
            bank = self.rng.choice((0, RX))
            first = self.rng.randrange(self.config.sram_words - -(-elements // ELEMENTS) + 1)
            if self.written[bank][first * ELEMENTS:first * ELEMENTS + elements].all():
                return bank | first
        return RX  # what `_begin` loaded

    def _writable(self, words: int, *operands: tuple[int, int]) -> int:
        """LOCAL address of words that share none with the ``operands`` (address, words)."""
        while True:
            first = self.rng.randrange(self.config.sram_words - words + 1)
            if not any(_overlap(first, words, *operand) for operand in operands):
                return first

    def _receivable(self, words: int, *operands: tuple[int, int]) -> int | None:
        """RX address of words on which nothing is on its way."""
        for _ in range(50):
            first = self.rng.randrange(self.kept, self.config.sram_words - words + 1)
            busy = [(at, count) for queue in self.pending.values() for at, count, _ in queue]
            if not any(_overlap(first, words, *other) for other in (*busy, *((a & ~RX, n) for a, n in operands))):
                return first
        return None

    def _changeable(self, words: int, *own: tuple[int, int]) -> int | None:
        """Memory address in the CACHE area that no read on its way covers, nor one of the instruction's ``own``."""
        reads = [*self.reading, *own, *(read for _, _, areas in self.consumers for read in areas)]
        for _ in range(50):
            addr = self.rng.randrange(CACHE, DUMP - words + 1)
            if not any(_overlap(addr, words, *read) for read in reads):
                return addr
        return None

    def _mark(self, addr: int, elements: int, state: bool = True) -> None:
        first = (addr & ~RX) * ELEMENTS
        self.written[addr & RX][first:first + elements] = state

    # Instructions

    def _begin(self) -> None:
        self._arrival(Op.LOAD, self.kept, 2, 0, FLOATS)
        self._wait_for(2)
        self._emit(Op.VEC, 64, a=RX, d=0, store=1)
        self._mark(0, 64)

    def _arrival(self, op: Op, words: int, tag: int, d: int, addr: int | None = None, **fields) -> None:
        """A LOAD or SEND of words to RX."""
        fields |= {"channel": 0} if op == Op.LOAD else {"mode": Mode.ALL}
        self._emit(op, words, addr, tag=tag, d=RX | d, **fields)
        self._mark(RX | d, words * ELEMENTS, False)
        self.pending[tag].append((d, words, op == Op.LOAD))

    def _load(self) -> None:
        words, tag = self.rng.randint(1, 40), self.rng.randrange(4)
        d = self._receivable(words)
        if d is not None:
            first, last = self.rng.choice(((FLOATS, BITS), (FLOATS, BITS), (CACHE, DUMP)))
            addr = self.rng.randrange(first, last - words)
            self._arrival(Op.LOAD, words, tag, d, addr)
            self.reading.append((addr, words))

    def _send(self) -> None:
        words, tag = self.rng.randint(1, 20), self.rng.randrange(4)
        a = self._readable(words * ELEMENTS)
        d = self._receivable(words, *([(a, words)] if a & RX else []))
        if d is not None:
            self._arrival(Op.SEND, words, tag, d, a=a)

    def _wait(self) -> None:
        tag = self.rng.randrange(4)
        queue = self.pending[tag]
        if tag >= 2 and len(queue) > 1 and all(is_load for _, _, is_load in queue):
            d, words, _ = queue.popleft()  # LOADs arrive in order, so one can be waited for alone
            self._emit(Op.WAIT, words, tag=tag)
            self._mark(RX | d, words * ELEMENTS)
        else:
            self._wait_for(tag)

    def _wait_for(self, tag: int) -> None:
        self._emit(Op.WAIT, sum(words for _, words, _ in self.pending[tag]), tag=tag)
        for d, words, _ in self.pending[tag]:
            self._mark(RX | d, words * ELEMENTS)
        self.pending[tag].clear()

    def _wait_for_all(self) -> None:
        for tag in self.pending:
            self._wait_for(tag)
        self.reading.clear()

    def _vec(self) -> None:
        rng = self.rng
        n = rng.choice((1, 2, 5, rng.randint(1, MOST), rng.randint(1, MOST)))
        fields = {"mul": rng.choice([*Mul]), "add": rng.choice([*Add]), "fn": rng.choice((0, 0, *Fn)),
                  "mul2": rng.choice([*Mul2]), "round": rng.choice([*Round]), "reduce": rng.choice((0, *Reduce)),
                  "imm0": _float(rng), "imm1": _float(rng), "store": rng.random() < 0.8, "swap": rng.random() < 0.3,
                  "a_scalar": rng.random() < 0.2 and bool(self.scalars), "pad32": rng.random() < 0.3,
                  "s_out": rng.randrange(16)}
        if not self.scalars:
            for field, scalar in (("mul", Mul.S), ("add", Add.S), ("mul2", Mul2.S)):
                fields[field] = 0 if fields[field] == scalar else fields[field]
        for field in ("s", "s_a"):
            fields[field] = rng.choice(sorted(self.scalars)) if self.scalars else 0
        size = -(-n // 32) * 32 if fields["pad32"] else n
        a, b = self._readable(n + n % 2), self._readable(n)
        words = -(-n // ELEMENTS)
        in_place = not a & RX and a + -(-size // ELEMENTS) <= self.config.sram_words and rng.random() < 0.3
        if in_place and not _overlap(a, -(-size // ELEMENTS), b, words):
            d = a
        else:
            d = self._writable(-(-size // ELEMENTS), (a, words), (b, words))
        self._emit(Op.VEC, n, a=a, b=b, d=d, **{name: int(value) for name, value in fields.items()})
        if fields["store"]:
            self._mark(d, size)
        if fields["reduce"]:
            self.scalars.add(fields["s_out"])
            self.halves.discard(fields["s_out"])
            if fields["round"] == Round.FP16 and fields["reduce"] != Reduce.SUM:
                self.halves.add(fields["s_out"])

    def _stream(self, kind: Stream, words: int, first: int, last: int) -> tuple[int, tuple[int, int]]:
        """Several STREAMs of ``words`` words in a row; how many, and the area of memory."""
        addr = self.rng.randrange(first, last - words)
        cuts = sorted(self.rng.randrange(words + 1) for _ in range(self.rng.randrange(3)))
        edges = [0, *cuts, words]
        for start, end in pairwise(edges):
            self._emit(Op.STREAM, end - start, addr + start, stream=kind, channel=0)
        return len(edges) - 1, (addr, words)

    def _room(self) -> None:
        """Consume until three more STREAMs of each kind may be issued."""
        most = min(self.config.queued_streams) - 3
        while any(sum(counts[kind] for _, counts, _ in self.consumers) > most for kind in Stream):
            self._consume()

    def _gemv(self) -> None:
        rng = self.rng
        self._room()
        rows, groups = 4 * rng.randint(1, self.config.acc_rows // 4), rng.randint(1, 3)
        bits, contexts, mode = rng.randint(1, 8), rng.randint(1, self.config.contexts), rng.choice(MODES)
        signed, by_groups = rng.randrange(2), rng.randrange(2)
        counts, areas = dict.fromkeys(Stream, 0), []
        # What programs write can only be read as urgent.
        urgent, *source = rng.choice(((0, BITS, SCALES), (1, BITS, SCALES), (1, CACHE, DUMP)))
        planes, scales = ((Stream.PLANES, Stream.SCALES), URGENT)[urgent]
        counts[planes], area = self._stream(planes, rows * groups * bits // 4, *source)
        areas.append(area)
        if mode != ScaleMode.NONE:
            words = groups * -(-rows // (4 if mode == ScaleMode.AFFINE else 8))
            counts[scales], area = self._stream(scales, words, SCALES, CACHE)
            areas.append(area)

        def issue():
            stride = rng.choice((0, 8 * groups)) if contexts > 1 else 0
            inputs = 8 * groups + stride * (contexts - 1)
            a = self._readable(inputs * ELEMENTS)
            out_stride = rows // 4 + rng.randrange(3)
            results = rows // 4 + out_stride * (contexts - 1)
            d = self._writable(results, (a, inputs))
            n, size = (groups, {"rows": rows}) if by_groups else (rows, {"groups": groups})
            self._emit(Op.GEMV, n, a=a, d=d, urgent=urgent, bits=bits, signed=signed, scale_mode=mode,
                       contexts=contexts - 1, act_stride=stride, out_stride=out_stride, n_is_groups=by_groups, **size)
            for c in range(contexts):
                self._mark(d + c * out_stride, rows)
        self.consumers.append((issue, counts, areas))

    def _vput(self) -> None:
        self._room()
        n = self.rng.randint(1, 8)
        counts = dict.fromkeys(Stream, 0)
        counts[Stream.URGENT_PLANES], area = self._stream(Stream.URGENT_PLANES, 8 * n, CACHE, DUMP)

        def issue():
            a = self._readable(n * ELEMENTS)
            addr = area[0] if self.rng.random() < 0.7 and self._is_free(area) else self._changeable(8 * n, area)
            if addr is None:
                addr = DUMP
            self._emit(Op.VPUT, n, addr, a=a, channel=0, **self._lane())
        self.consumers.append((issue, counts, [area]))

    def _is_free(self, area: tuple[int, int]) -> bool:
        reads = self.reading + [read for _, _, areas in self.consumers for read in areas]
        return not any(_overlap(*area, *read) for read in reads)

    def _consume(self) -> None:
        if self.consumers:
            issue, _, _ = self.consumers.popleft()
            issue()

    def _lane(self) -> dict[str, int]:
        context = self.rng.randrange(len(self.registers))
        reg, value = self.rng.choice(sorted(self.registers[context].items()))
        return {"context": context, "lane_reg": reg, "lane_bias": self.rng.randint(-min(value, 256), 255)}

    def _kput(self) -> None:
        a, addr = self._readable(32), self._changeable(2 * self.config.lanes)
        if addr is not None:
            self._emit(Op.KPUT, 1, addr, a=a, channel=0, **self._lane())

    def _sput(self) -> None:
        wide = self.rng.randrange(2)
        sources = self.scalars if wide else self.halves
        lane = self._lane()
        index = self.registers[lane["context"]][lane["lane_reg"]] + lane["lane_bias"]
        words = (index >> (2 if wide else 3)) + 1
        addr = self._changeable(words) if words < DUMP - CACHE else None
        if sources and addr is not None:
            self._emit(Op.SPUT, 1, addr, s=self.rng.choice(sorted(sources)), wide=wide, channel=0, **lane)

    def _store(self) -> None:
        words = self.rng.randint(1, 20)
        a, addr = self._readable(words * ELEMENTS), self._changeable(words)
        if addr is not None:
            self._emit(Op.STORE, words, addr, a=a, channel=0)

    def _topk(self) -> None:
        n, context = self.rng.randint(1, MOST), self.rng.randrange(len(self.registers))
        reset = context not in self.listed or self.rng.random() < 0.3
        self.listed.add(context)
        self._emit(Op.TOPK, n, context=context, a=self._readable(n), index=self.rng.getrandbits(20), reset=int(reset))

    def _nothing(self) -> None:
        op = self.rng.choice((Op.NOP, Op.VEC, Op.GEMV, Op.SEND, Op.LOAD, Op.STORE, Op.KPUT, Op.WAIT))
        self._emit(op, 0, 0 if op in (Op.LOAD, Op.STORE, Op.KPUT) else None)

    def _finish(self) -> None:
        """Consume what streams, wait for what is on its way, store both banks as far as they were written."""
        while self.consumers:
            self._consume()
        self._wait_for_all()
        for bank, area in ((0, DUMP), (RX, DUMP + self.config.sram_words)):
            whole = self.written[bank].reshape(-1, ELEMENTS).all(axis=1)
            edges = np.flatnonzero(np.diff(np.concatenate(([0], whole, [0]))))
            for first, last in edges.reshape(-1, 2).tolist():
                self._emit(Op.STORE, last - first, area + first, a=bank | first, channel=0)
        for context in self.rng.sample(sorted(self.listed), len(self.listed)):
            self._emit(Op.REPORT, self.rng.randrange(2), context=context)
        self._emit(Op.END, self.rng.randrange(2))


def _overlap(first: int, words: int, other: int, others: int) -> bool:
    return first < other + others and other < first + words


def _float(rng: random.Random) -> int:
    """FP32 bits of a plain number."""
    return int(np.float32(rng.gauss(0, 1) * 2.0 ** rng.randint(-4, 4)).view(np.uint32))
