"""Random matrix-vector products for the engine's benches, packed by the words of docs/reference/layout.md."""

from dataclasses import dataclass

import numpy as np
from dojang_hdl.engine import GemvCommand
from dojang_hdl.isa import ScaleMode

from ..golden.engine import BLOCK, gemv, nonfinite

__all__ = ["GemvCase", "pack_words", "random_case"]

ELEMENTS = 4


def pack_words(values, bits: int) -> list[int]:
    """Unsigned values of ``bits`` bits, lowest first, as 128-bit words; the last one padded with zeros."""
    per_word = 128 // bits
    values = [int(value) for value in values]
    return [sum(value << bits * i for i, value in enumerate(values[at:at + per_word]))
            for at in range(0, len(values), per_word)]


@dataclass
class GemvCase:
    """One command, its operands and where they are in SRAM."""

    bits: int
    signed: bool
    scale_mode: ScaleMode
    codes: np.ndarray
    scale: np.ndarray | None
    offset: np.ndarray | None
    x: np.ndarray
    act: int = 0
    out: int = 0
    act_stride: int = 0
    out_stride: int = 0

    @property
    def rows(self) -> int:
        return self.codes.shape[0]

    @property
    def groups(self) -> int:
        return self.codes.shape[1]

    @property
    def contexts(self) -> int:
        return self.x.shape[0]

    def place(self, start: int, gap: int) -> int:
        """Vectors one after the other from word ``start`` on, ``gap`` words between them; returns the end."""
        self.act_stride, self.out_stride = self.groups * BLOCK // ELEMENTS + gap, self.rows // ELEMENTS + gap
        self.act = start
        self.out = self.act + self.contexts * self.act_stride
        return self.out + self.contexts * self.out_stride

    def command(self) -> int:
        """Payload of the command stream."""
        return GemvCommand.const({
            "act": self.act, "out": self.out, "rows": self.rows, "groups": self.groups, "bits": self.bits,
            "signed": self.signed, "scale_mode": self.scale_mode, "contexts": self.contexts - 1,
            "act_stride": self.act_stride, "out_stride": self.out_stride}).as_bits()

    def plane_words(self, lanes: int) -> list[int]:
        planes = []
        for group in range(self.groups):
            for unit in range(self.rows // lanes):
                rows = self.codes[unit * lanes:(unit + 1) * lanes, group]
                for plane in reversed(range(self.bits)):
                    planes += ((rows >> plane & 1) << np.arange(BLOCK)).sum(axis=1).tolist()
        return pack_words(planes, BLOCK)

    def scale_words(self) -> list[int]:
        if self.scale is None:
            return []
        words = []
        for group in range(self.groups):
            values = self.scale[:, group].view(np.uint16).astype(int)
            if self.offset is None:
                words += pack_words(values, 16)
            else:
                words += pack_words(values | self.offset[:, group].view(np.uint16).astype(int) << 16, 32)
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
        return self._words_of(self.out, self.out_stride, gemv(self.codes, self.scale, self.offset, self.x))

    @property
    def nonfinite(self) -> bool:
        return nonfinite(self.x)


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

    def factors():
        patterns = rng.integers(0, 1 << 16, (rows, groups), dtype=np.uint16)
        patterns &= np.where(patterns & 0x7C00 == 0x7C00, 0xBFFF, 0xFFFF).astype(np.uint16)  # finite, denormals too
        return patterns.view(np.float16)

    return GemvCase(
        bits, signed, mode, codes, None if mode == ScaleMode.NONE else factors(),
        factors() if mode == ScaleMode.AFFINE else None, random_activations(rng, (contexts, groups * BLOCK)))
