"""The memory image of a compiled model: what the host loads and what it needs to run it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dojang_hdl.config import ELEMENTS, WORD_BYTES, ChipConfig
from dojang_hdl.isa import INSTRUCTION_WORDS

from ..checkpoints import ModelShape
from .model import ModelLayout
from .program import Program
from .protection import Protection
from .regions import Region

__all__ = ["Image", "LogitSlice", "RunParameters"]


@dataclass(frozen=True)
class RunParameters:
    """Fields of RUN for a pass of ``contexts`` contexts: node i executes ``words`` words at base + (i << slot_log2)."""

    contexts: int
    base: int
    slot_log2: int
    words: int

    @property
    def instructions(self) -> int:
        return self.words // INSTRUCTION_WORDS


@dataclass(frozen=True)
class LogitSlice:
    """``rows`` FP32 logits from token id ``first`` on, at memory word ``start`` of ``channel``."""

    channel: int
    start: int
    first: int
    rows: int


class Image:
    """A compiled model.

    Members
    -------
    config, shape, name: of the chip and the model.
    context: positions that a sequence may have, from 0 to ``context - 1``.
    rows: positions that the K/V cache has for all sequences.
    regions: memory map, in ascending order of address within a channel.
    protection: how a guarded memory holds each channel.
    programs: `RunParameters` by number of contexts of a pass, ascending; not of every number.
    sets: number of scale sets, the checkpoint's own one included: a pass may use 0 to ``sets - 1``.
    """

    def __init__(self, model: ModelLayout, programs: dict[int, RunParameters],
                 code: dict[int, list[tuple[Region, Program]]]):
        self._model, self._code = model, code
        self.config: ChipConfig = model.config
        self.shape: ModelShape = model.shape
        self.name = model.checkpoint.name
        self.context, self.rows = model.context, model.rows
        self.sets = 1 + len(model.sets)
        self.regions: list[Region] = model.memory.regions
        self.protection: Protection = model.memory.protection
        self.programs = programs

    @property
    def contexts(self) -> int:
        """Most tokens of a pass."""
        return max(self.programs)

    def program(self, tokens: int) -> RunParameters:
        """For a pass of so many tokens: the smallest that takes them."""
        return next(run for contexts, run in self.programs.items() if contexts >= tokens)

    def node_programs(self, contexts: int) -> list[Program]:
        """Of every node, for a pass of ``contexts`` tokens."""
        return [program for _, program in self._code[contexts]]

    def used_bytes(self, channel: int) -> int:
        """Bytes of the channel up to the end of the last region."""
        return self._model.memory.used_bytes(channel)

    def logits(self, context: int) -> list[LogitSlice]:
        """Where the logits of token ``context`` of a pass are, in order of token id."""
        rows = self._model.head.rows
        slices = []
        for node, regions in enumerate(self._model.logits):
            valid = min(rows, self.shape.vocab - node * rows)
            if valid > 0:
                region = regions[context]
                slices.append(LogitSlice(region.channel, region.start, node * rows, valid))
        return slices

    def read_logits(self, memories: Sequence[np.ndarray], context: int, protected: bool = False) -> np.ndarray:
        """float32 [vocab] from the channels' contents (uint8 arrays), which a guard has laid out if ``protected``."""
        read = self.protection.read if protected else _read
        parts = [read(memories[s.channel], s.start, -(-s.rows // ELEMENTS)).view("<f4")[:s.rows]
                 for s in self.logits(context)]
        return np.concatenate(parts)

    def tiles(self, channel: int) -> list[tuple[int, int]]:
        """First word and number of words of the regions of a channel that a guard protects as tiles."""
        return [(region.start, region.words) for region in self._model.memory.tiles(channel)]

    def fill(self, memories: Sequence[np.ndarray]) -> None:
        """Write programs, weights and tables into zeroed channels (writable uint8 arrays of the channels' size)."""
        code = ((region, program.text) for programs in self._code.values() for region, program in programs)
        for source in (code, self._model.contents()):
            for region, content in source:
                start = region.start * WORD_BYTES
                memories[region.channel][start:start + len(content)] = content

    def write(self, folder: str | Path, protected: bool = False) -> list[Path]:
        """Make one sparse file per channel, ``channel<i>.bin`` of ``channel_mib`` MiB; returns their paths.

        Parameters
        ----------
        protected: with headers, for a guarded memory.
        """
        paths = []
        for channel in range(self.config.channels):
            paths.append(Path(folder) / f"channel{channel}.bin")
            with open(paths[-1], "wb") as file:
                file.truncate(self.config.channel_words * WORD_BYTES)
        memories = [np.memmap(path, np.uint8, "r+") for path in paths]
        if protected:
            contents = [np.zeros(self.protection.end * WORD_BYTES, np.uint8) for _ in paths]
            self.fill(contents)
            for channel, memory in enumerate(memories):
                self.protection.store(memory, contents[channel], self.tiles(channel))
        else:
            self.fill(memories)
        for memory in memories:
            memory.flush()
        return paths

    def bytes_per_token(self, position: int) -> int:
        """Useful bytes of a decode step: codes, scales and offsets of all matrices, K/V cache of what it sees.

        Padding rows, vectors, tables, program and writes do not count.
        """
        weights = sum(matrix.stored_bytes for _, matrix in self._model.checkpoint.matrices())
        windows = [self.shape.kind(layer).window for layer in range(self.shape.layers)]
        seen = sum(min(position + 1, window or position + 1) for window in windows)
        return weights + seen * self.shape.kv_bytes_per_token // self.shape.layers


def _read(memory: np.ndarray, start: int, words: int) -> np.ndarray:
    return memory[start * WORD_BYTES:(start + words) * WORD_BYTES]
