"""Random matrix-vector products for the engine's benches, packed by the words of docs/reference/layout.md."""

from dataclasses import dataclass

import numpy as np
from dojang_hdl.engine import GemvCommand
from dojang_hdl.isa import Code, ScaleMode
from dojang_hdl.window_code import CODES

from ..golden.engine import BLOCK, gemv, nonfinite
from ..golden.window import decode, pack_payload

__all__ = ["GemvCase", "grouped_case", "last_exit", "pack_words", "random_case", "random_coded_case", "window_case"]

ELEMENTS = 4


def pack_words(values, bits: int) -> list[int]:
    """Unsigned values of ``bits`` bits, lowest first, as 128-bit words; the last one padded with zeros."""
    per_word = 128 // bits
    values = [int(value) for value in values]
    return [sum(value << bits * i for i, value in enumerate(values[at:at + per_word]))
            for at in range(0, len(values), per_word)]


@dataclass
class GemvCase:
    """One command, its operands and where they are in SRAM.

    ``codes``: Q [rows, products, columns of a group], a group's terms one after the other. ``scale``: [rows, products],
    or [rows] for ScaleMode.ROW. ``payload``: the plane stream of a window code.
    """

    bits: int
    signed: bool
    scale_mode: ScaleMode
    codes: np.ndarray
    scale: np.ndarray | None
    offset: np.ndarray | None
    x: np.ndarray
    terms: int = 1
    rotated: bool = False
    double: int = 0
    zero: int = 0
    code: Code = Code.PLAIN
    masked: bool = False
    payload: np.ndarray | None = None
    act: int = 0
    out: int = 0
    act_stride: int = 0
    out_stride: int = 0

    @property
    def rows(self) -> int:
        return self.codes.shape[0]

    @property
    def products(self) -> int:
        return self.codes.shape[1]

    @property
    def groups(self) -> int:
        return self.products // self.terms

    @property
    def group(self) -> int:
        """Columns of a group."""
        return self.codes.shape[2]

    @property
    def passes(self) -> int:
        """Blocks that go through the lanes, each with all rows."""
        return self.products * self.group // BLOCK

    @property
    def contexts(self) -> int:
        return self.x.shape[0]

    def place(self, start: int, gap: int) -> int:
        """Vectors one after the other from word ``start`` on, ``gap`` words between them; returns the end."""
        self.act_stride, self.out_stride = self.groups * self.group // ELEMENTS + gap, self.rows // ELEMENTS + gap
        self.act = start
        self.out = self.act + self.contexts * self.act_stride
        return self.out + self.contexts * self.out_stride

    def command(self) -> int:
        """Payload of the command stream."""
        return GemvCommand.const({
            "act": self.act, "out": self.out, "rows": self.rows, "groups": self.groups, "bits": self.bits,
            "signed": self.signed, "scale_mode": self.scale_mode, "contexts": self.contexts - 1,
            "act_stride": self.act_stride, "out_stride": self.out_stride, "code": self.code, "masked": self.masked,
            "blocks": (self.group // BLOCK).bit_length() - 1, "rotated": self.rotated, "double": self.double,
            "zero": self.zero % 1024, "terms": self.terms - 1}).as_bits()

    def plane_words(self, lanes: int) -> list[int]:
        if self.payload is not None:
            return [int.from_bytes(word, "little") for word in self.payload.reshape(-1, 16)]
        planes = []
        codes = self.codes.reshape(self.rows, self.passes, BLOCK)
        for block in range(self.passes):
            for unit in range(self.rows // lanes):
                rows = codes[unit * lanes:(unit + 1) * lanes, block]
                for plane in reversed(range(self.bits)):
                    planes += ((rows >> plane & 1) << np.arange(BLOCK)).sum(axis=1).tolist()
        return pack_words(planes, BLOCK)

    def scale_words(self) -> list[int]:
        if self.scale is None:
            return []
        if self.scale_mode == ScaleMode.ROW:
            return pack_words(self.scale.view(np.uint16), 16)
        words = []
        for product in range(self.products):
            values = self.scale[:, product].view(np.uint16).astype(int)
            if self.offset is None:
                words += pack_words(values, 16)
            else:
                words += pack_words(values | self.offset[:, product].view(np.uint16).astype(int) << 16, 32)
        return words

    def _words_of(self, address: int, stride: int, vectors: np.ndarray) -> dict[int, int]:
        return {(address + c * stride + i) & 0xFFFF: word
                for c, vector in enumerate(vectors) for i, word in enumerate(pack_words(vector.view(np.uint32), 32))}

    def activations(self) -> dict[int, int]:
        """SRAM words the engine reads."""
        return self._words_of(self.act, self.act_stride, self.x)

    def expected(self) -> dict[int, int]:
        """SRAM words the engine writes, by the golden model."""
        if not self.rows or not self.groups:
            return {}
        values = (self.codes.astype(int) << self.double) + self.zero
        y = gemv(values, self.scale, self.offset, self.x, self.rotated, self.terms)
        return self._words_of(self.out, self.out_stride, y)

    @property
    def nonfinite(self) -> bool:
        return nonfinite(self.x)


def last_exit(lanes: int, acc_rows: int, spaced: int, products) -> int:
    """When a coded engine's last results leave the lanes' queue, from the first step on, without that way's length.

    Parameters
    ----------
    spaced: cycles from unit to unit of the last product behind the queue; ``lanes`` in others.
    products: for each (cycles before its last pass, cycles of each unit of that pass).
    """
    # Cycles from a unit's last step to the queue's end; to the report of room or of a place after something left.
    through, report, keep = 10, 2, 2
    depth = max(32, acc_rows // lanes)
    now, issued, exits, ends = -1, [], [], []
    for number, (before, units) in enumerate(products, 1):
        now += before
        now = max(now, ends[-2] + report - 1 if len(ends) > 1 else now)
        for index, cycles in enumerate(units):
            now += cycles
            freed = len(issued) - depth + keep    # this unit waits until so many have left
            if freed >= 0:
                now = max(now, exits[freed] + report)
            issued.append(now)
            gap = spaced if number == len(products) and index else lanes
            exits.append(max(now + through, exits[-1] + gap if exits else 0))
        ends.append(exits[-1])
    return exits[-1] - through


def random_activations(rng, shape) -> np.ndarray:
    """FP32 values: normal, FP16 with outliers, all exponents, ties, zeros, now and then infinities and NaN."""
    x = rng.standard_normal(shape).astype(np.float32)
    kind = rng.integers(0, 6)
    if kind == 1:
        x = np.where(rng.random(shape) < 0.03, x * 2.0e4, x).clip(-65504, 65504).astype(np.float16).astype(np.float32)
    elif kind == 2:
        x = rng.integers(0, 1 << 32, shape, dtype=np.uint32).view(np.float32)
        x = np.where(np.isfinite(x), x, np.float32(1))
    elif kind == 3:
        x = (rng.integers(-65536, 65536, shape) / 2).astype(np.float32)
    elif kind == 4:
        x = np.where(rng.random(shape) < 0.9, np.float32(0), x)
    if rng.random() < 0.1:
        x[rng.random(shape) < 0.05] = rng.choice(np.array([np.inf, -np.inf, np.nan], np.float32))
    return x


def random_case(rng: np.random.Generator, max_rows: int, max_contexts: int, max_groups: int = 6) -> GemvCase:
    rows = 4 * int(rng.integers(1, max_rows // 4 + 1)) if rng.random() < 0.7 else 4 * int(rng.integers(1, 4))
    groups, bits = int(rng.integers(1, max_groups + 1)), int(rng.integers(1, 9))
    contexts = int(rng.integers(1, max_contexts + 1))
    signed = bool(rng.integers(0, 2))
    low = -(1 << bits - 1) if signed else 0
    codes = rng.integers(low, low + (1 << bits), (rows, groups, BLOCK))
    codes[rng.random((rows, groups)) < 0.1] = rng.choice([low, low + (1 << bits) - 1])
    mode = ScaleMode(int(rng.integers(0, 3)))
    return GemvCase(bits, signed, mode, codes, *_factors(rng, mode, rows, groups),
                    random_activations(rng, (contexts, groups * BLOCK)))


def _factors(rng, mode: ScaleMode, rows: int, products: int):
    """Scale and offset as ``mode`` has them."""
    def patterns(shape):
        patterns = rng.integers(0, 1 << 16, shape, dtype=np.uint16)
        patterns &= np.where(patterns & 0x7C00 == 0x7C00, 0xBFFF, 0xFFFF).astype(np.uint16)  # finite, denormals too
        return patterns.view(np.float16)

    scale = None if mode == ScaleMode.NONE else patterns(rows if mode == ScaleMode.ROW else (rows, products))
    return scale, patterns((rows, products)) if mode == ScaleMode.AFFINE else None


def grouped_case(rng: np.random.Generator, rows: int, groups: int, group: int, contexts: int, bits: int, *,
                 mode: ScaleMode = ScaleMode.SCALE, signed: bool = False, double: int = 0, zero: int = 0,
                 rotated: bool = False, terms: int = 1) -> GemvCase:
    """Plain planes in groups of 32, 64 or 128 columns."""
    low = -(1 << bits - 1) if signed else 0
    codes = rng.integers(low, low + (1 << bits), (rows, groups * terms, group))
    codes[rng.random(codes.shape[:2]) < 0.1] = rng.choice([low, low + (1 << bits) - 1])
    return GemvCase(bits, signed, mode, codes, *_factors(rng, mode, rows, groups * terms),
                    random_activations(rng, (contexts, groups * group)), terms, rotated, double, zero)


def window_case(rng: np.random.Generator, code: Code, rows: int, groups: int, group: int, contexts: int, *,
                mode: ScaleMode = ScaleMode.ROW, masked: bool = False, rotated: bool = False,
                before: int = 0) -> GemvCase:
    """Rows of a matrix of window code ``code``, ``before`` rows below its first one."""
    window = CODES[code]
    blocks = groups * group // BLOCK
    symbols = rng.integers(0, 1 << window.step_bits, ((before + rows) // window.steps_rows, blocks, BLOCK), np.uint8)
    kept = rng.choice([0.0, 0.25, 0.5, 1.0], (blocks, 1))
    mask = rng.random((before + rows, blocks, BLOCK)) < kept if masked else None
    codes = decode(window, symbols)[before:].astype(int)
    if mask is not None:
        codes = (2 * codes - window.maximum) * mask[before:]
    return GemvCase(window.planes + masked, masked, mode, codes.reshape(rows, groups, group),
                    *_factors(rng, mode, rows, groups), random_activations(rng, (contexts, groups * group)),
                    rotated=rotated, double=int(not masked), zero=0 if masked else -window.maximum, code=code,
                    masked=masked, payload=pack_payload(window, symbols, mask, before, rows))


def random_coded_case(rng: np.random.Generator, max_rows: int, max_contexts: int, max_groups: int = 4) -> GemvCase:
    """What coded engines understand; one case in four is a plain one."""
    kind = rng.integers(0, 4)
    if kind == 0:
        return random_case(rng, max_rows, max_contexts, max_groups)
    rows = 4 * int(rng.integers(1, max_rows // 4 + 1)) if rng.random() < 0.7 else 4 * int(rng.integers(1, 4))
    groups, group = int(rng.integers(1, max_groups + 1)), BLOCK << int(rng.integers(0, 3))
    contexts = int(rng.integers(1, max_contexts + 1))
    rotated = group > BLOCK and bool(rng.integers(0, 2))
    if kind == 1:
        code = Code(int(rng.integers(1, 1 + len(CODES))))
        return window_case(rng, code, rows, groups, group, contexts, masked=bool(rng.integers(0, 2)), rotated=rotated,
                           mode=(ScaleMode.NONE, ScaleMode.SCALE, ScaleMode.ROW)[rng.integers(0, 3)],
                           before=4 * int(rng.integers(0, 5)))
    mode = ScaleMode(int(rng.integers(0, 4)))
    if kind == 2:   # one and two bits: as they are stored, and as terms
        bits, double, zero = (1, 1, -1) if rng.random() < 0.6 else (2, 0, -1)
        return grouped_case(rng, rows, groups, group, contexts, bits, mode=mode, double=double, zero=zero,
                            rotated=rotated, terms=int(rng.integers(1, 9)))
    limit = (1 << 28) // (group << 15)
    signed, double = bool(rng.integers(0, 2)), int(rng.integers(0, 2))
    bits = int(rng.integers(1, min(8, limit.bit_length() - (not signed) - double) + 1))
    low = -(1 << bits - 1) * signed
    low, high = low << double, low + (1 << bits) - 1 << double
    zero = int(rng.choice([-limit - low, limit - high, rng.integers(-limit - low, limit - high + 1)]))
    return grouped_case(rng, rows, groups, group, contexts, bits, mode=mode, signed=signed, double=double,
                        zero=zero, rotated=rotated, terms=int(rng.integers(1, 3)))
