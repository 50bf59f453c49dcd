"""How many sequences a chip decodes in one pass, and what sets that limit."""

from dataclasses import dataclass

from dojang_hdl.config import BLOCK, WORD_BYTES, ChipConfig
from dojang_hdl.isa import CACHE_BITS, CONTEXT_BITS

from ..checkpoints import Checkpoint
from .buffers import Buffers
from .compiler import compile_model
from .errors import SramError
from .layout import round_up
from .model import ModelLayout
from .regions import MemoryMap

__all__ = ["MOST", "Capacity", "capacity"]

MOST = 1 << CONTEXT_BITS
"""Contexts that any chip can have."""


@dataclass(frozen=True)
class Capacity:
    """Sequences of ``context`` positions each, one context each.

    Parameters
    ----------
    contexts, sram, memory: how many the engine, a node's SRAM and the channels' memory have room for; `MOST` at most.
    kv_bytes: of a position in the memory of all channels, as a guard lays it out.
    sram_words: of each sequence beyond the first in LOCAL and in RX of every node.
    """

    context: int
    contexts: int
    sram: int
    memory: int
    kv_bytes: float
    sram_words: tuple[int, int]

    @property
    def sequences(self) -> int:
        return min(self.contexts, self.sram, self.memory)

    @property
    def limits(self) -> list[str]:
        """What has room for no more than `sequences`; SRAM and memory may have room for more than `MOST`."""
        rooms = {"contexts": self.contexts, "SRAM": self.sram, "K/V memory": self.memory}
        return [name for name, room in rooms.items() if room == self.sequences and (name == "contexts" or room < MOST)]


def capacity(checkpoint: Checkpoint, config: ChipConfig, context: int) -> Capacity:
    """Of a model on a chip.

    Raises
    ------
    CompileError: the model does not fit even for one sequence.
    """
    rows = round_up(context, BLOCK)
    image = compile_model(checkpoint, config, context)
    used = image.protection.physical_words
    # Regions begin on whole chunks: the cost of a sequence is that of many.
    many = MemoryMap(config)
    ModelLayout(checkpoint, config, context, many, rows=rows * MOST)
    one = MemoryMap(config)
    model = ModelLayout(checkpoint, config, context, one)
    words = (many.protection.physical_words - one.protection.physical_words) / (MOST - 1)
    room = 1 + int((config.channel_words - used) / words)
    return Capacity(context, config.contexts, _sram(model), min(room, MOST, ((1 << CACHE_BITS) - 1) // rows),
                    config.channels * words * WORD_BYTES / rows, _words(model))


def _sram(model: ModelLayout) -> int:
    """Contexts that the buffers of a pass have room for."""
    for contexts in range(2, MOST + 1):
        try:
            Buffers(model, contexts).check(model.config)
        except SramError:
            return contexts - 1
    return MOST


def _words(model: ModelLayout) -> tuple[int, int]:
    pairs = [(buffers.local.used, buffers.rx.used) for buffers in (Buffers(model, n) for n in (3, 2))]
    local, rx = (more - less for more, less in zip(*pairs, strict=True))
    return local, rx
