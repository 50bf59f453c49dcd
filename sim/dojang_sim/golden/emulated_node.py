"""State and instructions of one emulated node; `emulator` has the chip around it."""

from collections import deque
from dataclasses import dataclass
from functools import cache

import numpy as np
from dojang_hdl import isa
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.isa import URGENT, Flag, Op, ScaleMode, Stream
from dojang_hdl.window_code import CODES

from . import engine, vector, window
from .streams import insert_value, lane_words, unpack_planes, unpack_scales
from .tracked_sram import RX, HazardError, LocalBank, ReceiveBank

__all__ = ["Node", "TraceEntry", "decode"]

GATHER_TAGS = (0, 1)
POISON = 0x7FC0DEAD
"""A scalar register that was not written: a NaN."""


@dataclass(frozen=True)
class TraceEntry:
    """One executed instruction: what it wrote to LOCAL, uint32 elements from word address `addr` on, per write."""

    node: int
    pc: int
    op: Op
    writes: list[tuple[int, np.ndarray]]


@cache
def decode(raw: bytes) -> tuple[Op, dict[str, int]]:
    """Opcode and fields of an instruction."""
    low, high = (int.from_bytes(raw[at:at + 16], "little") for at in (0, 16))
    head = isa.unpack(isa.HEAD, low)
    op = Op(head.pop("op"))
    rest = isa.unpack(isa.FORMATS[op], high) if op in isa.FORMATS else {}
    return op, rest | head


class Node:
    """One node of `chip`, an `Emulator`, which carries its packets and has the memories."""

    def __init__(self, chip, index: int):
        self.chip, self.index = chip, index
        self.local = LocalBank(chip.config.sram_words)
        self.rx = ReceiveBank(chip.config.sram_words, index)
        self.scalars = np.full(16, POISON, np.uint32)

    def start(self, program: np.ndarray, registers: list[dict[int, int]]) -> None:
        """``registers``: values of `isa.Reg`, by context."""
        self.program, self.registers = program, registers
        self.pc, self.running, self.errors, self.executed = 0, True, Flag(0), 0
        self.clock = np.zeros(self.chip.sources, np.int64)
        self.streams = {kind: deque() for kind in Stream}
        self.arrived = {tag: deque() for tag in range(4)}  # [words, clock] by order of arrival
        self.local.clear()
        self.rx.clear()
        self.lists: dict[int, list[tuple[int, int, float]]] = {}
        self.candidates: dict[int, list[tuple[float, int]]] = {}

    def step(self) -> bool:
        """Execute the next instruction; False if it must wait."""
        at = self.pc * isa.INSTRUCTION_WORDS * WORD_BYTES
        raw = self.program[at:at + isa.INSTRUCTION_WORDS * WORD_BYTES].tobytes()
        if not raw:
            raise HazardError(f"node {self.index}: the program ends without END")
        op, f = decode(raw)
        if f["context"] >= len(self.registers):
            raise HazardError(f"node {self.index} pc {self.pc}: context {f['context']} is not one of the pass")
        n = (f["n_base"] + min(max(self._register("n_reg", f) + f["n_bias"] >> f["n_shift"], 0), f["n_max"])
             * f["n_mul"])
        if n >= 1 << 16:
            raise HazardError(f"node {self.index} pc {self.pc}: n = {n} does not fit 16 bits")
        if op == Op.WAIT and sum(words for words, _ in self.arrived[f["tag"]]) < n:
            return False
        self.clock[self.index] += 1
        self.writes = []
        try:
            if op in (Op.STREAM, Op.END) or (n and op != Op.NOP):
                getattr(self, f"_{op.name.lower()}")(n, f)
        except HazardError as error:
            raise HazardError(f"node {self.index} pc {self.pc} {op.name}: {error}") from None
        if self.chip.trace is not None:
            self.chip.trace.append(TraceEntry(self.index, self.pc, op, self.writes))
        self.pc += 1
        self.executed += 1
        return True

    def _register(self, name: str, f) -> int:
        """Value of the register that the field ``name`` says."""
        return self.registers[f["context"]][f[name]]

    def _address(self, f) -> int:
        lowest = self.registers[f["context"]][isa.Reg.START] if f["m_reg"] == isa.Reg.ROW else 0
        return f["addr"] + (max(self._register("m_reg", f) + f["m_bias"], lowest) >> f["m_shift"]) * f["m_mul"]

    def _lane(self, f) -> int:
        return self._register("lane_reg", f) + f["lane_bias"]

    def _read(self, addr: int, elements: int) -> np.ndarray:
        return self.rx.read(addr, elements, self.clock) if addr & RX else self.local.read(addr, elements)

    def _write(self, addr: int, values: np.ndarray) -> None:
        if addr & RX:
            raise HazardError(f"a unit writes to RX {addr:#x}")
        self.local.write(addr, values)
        self.writes.append((addr, values))

    # memory

    def _stream(self, n, f) -> None:
        queue = self.streams[Stream(f["stream"])]
        while queue and not len(queue[0][2]):  # empty commands pass without a consumer
            queue.popleft()
        addr, config = self._address(f), self.chip.config
        if len(queue) >= config.queued_streams[f["stream"] in URGENT]:
            raise HazardError(f"{len(queue) + 1} STREAMs of {Stream(f['stream']).name} are queued")
        if f["wide"]:
            addr += self._lane(f) % config.acc_rows // config.lanes * 2 * config.lanes
        if f["stream"] not in URGENT and self.chip.changed(f["channel"], addr, n):
            raise HazardError(f"{Stream(f['stream']).name} at {addr:#x} of channel {f['channel']} are prefetched, "
                              "perhaps before they were written")
        queue.append((f["channel"], addr, self.chip.read_words(f["channel"], addr, n)))

    def _take(self, kind: Stream, words: int) -> np.ndarray:
        """The next words of a stream; commands must end where a consumer's need ends."""
        parts, queue = [], self.streams[kind]
        while words > 0 or (queue and not len(queue[0][2])):
            if not queue:
                raise HazardError(f"{words} words of {kind.name} are missing")
            channel, addr, data = queue.popleft()
            if not np.array_equal(data, self.chip.peek(channel, addr, len(data) // WORD_BYTES)):
                raise HazardError(f"{kind.name} at {addr:#x} of channel {channel} changed between STREAM and use")
            words -= len(data) // WORD_BYTES
            parts.append(data)
        if words:
            raise HazardError(f"{-words} words of {kind.name} are left over")
        return np.concatenate(parts) if parts else np.zeros(0, np.uint8)

    def _load(self, n, f) -> None:
        addr, channel = self._address(f), f["channel"]
        values = self.chip.read_words(channel, addr, n).view("<u4")
        source = self.chip.config.nodes + self.index * self.chip.config.channels + channel
        self.chip.post(self.index, f["d"], values, f["tag"], source, self.clock, (channel, addr))

    def _wait(self, n, f) -> None:
        arrived = self.arrived[f["tag"]]
        while n:
            words, clock = arrived[0]
            np.maximum(self.clock, clock, out=self.clock)
            taken = min(n, words)
            n -= taken
            arrived[0][0] -= taken
            if not arrived[0][0]:
                arrived.popleft()
        if arrived and f["tag"] in GATHER_TAGS:
            raise HazardError("words of a later all-gather have arrived under the same tag")

    def _store(self, n, f) -> None:
        self.chip.write_bytes(f["channel"], self._address(f) * WORD_BYTES, self._read(f["a"], 4 * n).view(np.uint8))

    def _send(self, n, f) -> None:
        if f["mode"] != isa.Mode.ALL:
            raise HazardError(f"SEND with mode {f['mode']} is not modelled")
        values = self._read(f["a"], 4 * n)
        for target in range(self.chip.config.nodes):
            self.chip.post(target, f["d"], values, f["tag"], self.index, self.clock)

    def _kput(self, n, f) -> None:
        lanes = self.chip.config.lanes
        codes = self._read(f["a"], 32).astype(np.uint8).view(np.int8)
        at = self._address(f) * WORD_BYTES + self._lane(f) % lanes * 4
        for plane, word in enumerate(lane_words(codes)):
            self.chip.write_bytes(f["channel"], at + plane * lanes * 4, word)

    def _vput(self, n, f) -> None:
        tile = self._take(Stream.URGENT_PLANES, 8 * n)
        codes = self._read(f["a"], 4 * n).astype(np.uint8).view(np.int8)
        tile = insert_value(tile, codes, self._lane(f) % 32, self.chip.config.lanes)
        self.chip.write_bytes(f["channel"], self._address(f) * WORD_BYTES, tile)

    def _unpack(self, n, f) -> None:
        lanes = self.chip.config.lanes
        codes = unpack_planes(self._take(Stream.URGENT_PLANES, 2 * lanes * n), lanes, n, isa.ROW_BITS, True, lanes)
        values = codes[self._lane(f) % lanes].astype(np.float32) + np.float32(isa.INTEGER_BIAS)
        self.chip.post(self.index, f["d"], values.reshape(-1).view(np.uint32), f["tag"], self.index, self.clock)

    def _sput(self, n, f) -> None:
        value = self.scalars[f["s"]:f["s"] + 1]
        if not f["wide"]:
            value = value.view(np.float32).astype(np.float16)
        self.chip.write_bytes(f["channel"], f["addr"] * WORD_BYTES + self._lane(f) * value.itemsize,
                              value.view(np.uint8))

    # compute

    def _gemv(self, n, f) -> None:
        rows, groups = (f["rows"], n) if f["n_is_groups"] else (n, f["groups"])
        if rows % 4 or rows > self.chip.config.acc_rows or f["contexts"] >= self.chip.config.contexts:
            raise HazardError(f"{rows} rows, {f['contexts'] + 1} contexts")
        scales = Stream.URGENT_SCALES if f["urgent"] else Stream.SCALES
        mode, group, terms = ScaleMode(f["scale_mode"]), 32 << f["blocks"], f["terms"] + 1
        extended = group > 32 or terms > 1 or f["code"] or f["rotated"] or f["double"] or f["zero"]
        if (extended or mode == ScaleMode.ROW) and not self.chip.config.coded:
            raise HazardError("a GEMV for coded chips")
        values = self._integers(rows, groups * terms << f["blocks"], f)
        values = (values << f["double"]) + np.int16(f["zero"])
        scale = offset = None
        if mode == ScaleMode.ROW:
            scale, _ = unpack_scales(self._take(scales, -(-rows // 8)), rows, 1, False)
            scale = scale[:, 0]
        elif mode != ScaleMode.NONE:
            affine = mode == ScaleMode.AFFINE
            stream = self._take(scales, groups * terms * -(-rows // (4 if affine else 8)))
            scale, offset = unpack_scales(stream, rows, groups * terms, affine)
        x = np.stack([self._read(f["a"] + c * f["act_stride"], groups * group) for c in range(f["contexts"] + 1)])
        if engine.nonfinite(x.view(np.float32)):
            self.errors |= Flag.NONFINITE
        matrix = engine.PreparedMatrix(values.reshape(rows, -1, group), scale, offset, bool(f["rotated"]), terms)
        for c, y in enumerate(matrix.gemv(x.view(np.float32))):
            self._write(f["d"] + c * f["out_stride"], y.view(np.uint32))

    def _integers(self, rows, blocks, f) -> np.ndarray:
        """Q [rows, blocks, 32] of the plane stream; 2Q - Qmax, or 0, of a masked one."""
        planes = Stream.URGENT_PLANES if f["urgent"] else Stream.PLANES
        if f["code"] not in CODES:
            stream = self._take(planes, rows * blocks * f["bits"] // 4)
            return unpack_planes(stream, rows, blocks, f["bits"], bool(f["signed"]), self.chip.config.lanes)
        code, masked = CODES[f["code"]], bool(f["masked"])
        if (f["bits"], f["signed"]) != (code.planes + masked, masked):
            raise HazardError(f"{code.name} with {f['bits']} planes, signed={f['signed']}, masked={masked}")
        stream = self._take(planes, blocks * window.payload_words(code, rows, masked))
        symbols, mask = window.unpack_payload(stream, code, masked, rows, blocks)
        q = window.decode(code, symbols)[code.lead * code.steps_rows:]
        return q if mask is None else np.where(mask, 2 * q - code.maximum, 0).astype(np.int16)

    def _vec(self, n, f) -> None:
        op = vector.VectorOp(
            isa.Mul(f["mul"]).name, isa.Add(f["add"]).name, isa.Fn(f["fn"]).name, isa.Mul2(f["mul2"]).name,
            isa.Round(f["round"]).name, isa.Reduce(f["reduce"]).name, f["imm0"], f["imm1"], bool(f["swap"]),
            bool(f["a_scalar"]), bool(f["pad32"]))
        a = None if op.a_scalar else self._read(f["a"], n + (n % 2 if op.swap else 0))
        uses_b = "B" in (op.mul, op.add, op.mul2)
        b = self._read(f["b"], n) if uses_b else None
        values, scalar, clipped = vector.execute(op, a, b, self.scalars[f["s"]], self.scalars[f["s_a"]], n)
        if clipped:
            self.errors |= Flag.SATURATED
        if f["store"]:
            for operand, used in (("a", a is not None), ("b", uses_b)):
                first, d = f[operand], f["d"]
                if used and first != d and first < d + -(-len(values) // 4) and d < first + -(-n // 4):
                    raise HazardError(f"results at {f['d']:#x} overlap operand {operand} at {f[operand]:#x}")
            self._write(f["d"], values)
        if scalar is not None:
            self.scalars[f["s_out"]] = scalar

    # host

    def _topk(self, n, f) -> None:
        if not f["reset"] and f["context"] not in self.lists:
            raise HazardError(f"the list of context {f['context']} still holds what an earlier pass has left")
        kept = [] if f["reset"] else self.lists[f["context"]]
        values = self._read(f["a"], n)
        signed = values.view(np.int32)
        keys = np.where(signed < 0, signed ^ 0x7FFFFFFF, signed)
        offered = [(int(k), f["index"] + i, float(v))
                   for i, (k, v) in enumerate(zip(keys, values.view(np.float32), strict=True)) if v == v]
        self.lists[f["context"]] = sorted([*kept, *offered], key=lambda item: -item[0])[:self.chip.config.top_k]

    def _report(self, n, f) -> None:
        self.candidates[f["context"]] = [(value, token) for _, token, value in self.lists[f["context"]]]

    def _end(self, n, f) -> None:
        for kind, queue in self.streams.items():
            if any(len(data) for _, _, data in queue):
                raise HazardError(f"words of {kind.name} are left over")
        if any(self.arrived.values()):
            raise HazardError("arrived words that no WAIT has consumed")
        self.running = False
