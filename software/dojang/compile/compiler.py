"""From a checkpoint to a memory image."""

from collections.abc import Sequence

import numpy as np
from dojang_hdl.config import WORD_BYTES, ChipConfig

from ..checkpoints import Checkpoint, ScaleSet
from .buffers import Buffers
from .errors import SramError
from .image import Image, RunParameters
from .layer import emit_end, emit_layer, emit_start
from .model import ModelLayout
from .program import Program
from .regions import MemoryMap
from .writer import Writer

__all__ = ["compile_model", "compile_programs"]

PASS_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Contexts of the passes that there are programs for, as far as the chip has them, and for all it has; passes of a
number between take the next one."""


def compile_programs(model: ModelLayout, contexts: int) -> list[Program]:
    """The programs of all nodes for a pass of ``contexts`` tokens, with NOPs after END made equally long.

    Raises
    ------
    SramError: there is no room for so many tokens.
    """
    buffers = Buffers(model, contexts)
    buffers.check(model.config)
    programs = []
    for node in range(model.config.nodes):
        writer = Writer(model, buffers, node)
        emit_start(writer)
        for writer.layer, layer in enumerate(model.layers):
            emit_layer(writer, layer)
        writer.layer = None
        emit_end(writer)
        programs.append(writer.builder.finish())
    longest = max(len(text) for text, _ in programs)
    return [Program(np.pad(text, (0, longest - len(text))), phases) for text, phases in programs]  # NOP is 0


def compile_model(checkpoint: Checkpoint, config: ChipConfig, context: int, sets: Sequence[ScaleSet] = (),
                  rows: int | None = None) -> Image:
    """Lay a model out in a chip's memory and write its programs, for passes of as many tokens as the SRAM has room for.

    Parameters
    ----------
    context: positions that a sequence may have.
    rows: positions that the K/V cache has for all sequences, a multiple of 32; enough for one sequence if None.
    sets: scale sets that a pass may use instead of the checkpoint's own scales and gains: numbers 1, 2, …; coded
        chips only.

    Raises
    ------
    CheckpointError: a scale set is of another model.
    CompileError: the model does not fit the memory, the SRAM or the engine; both sizes are named.
    """
    memory = MemoryMap(config)
    model = ModelLayout(checkpoint, config, context, memory, sets, rows)
    memory.check(checkpoint.name)
    runs, code = {}, {}
    for contexts in (*(size for size in PASS_SIZES if size < model.contexts), model.contexts):
        try:
            programs = compile_programs(model, contexts)
        except SramError:
            if contexts == 1:
                raise
            break
        words = len(programs[0].text) // WORD_BYTES
        slot_log2 = (words - 1).bit_length()
        region = memory.allocate_everywhere(f"programs.{contexts}", config.nodes << slot_log2)
        runs[contexts] = RunParameters(contexts, region.start, slot_log2, words)
        regions = {r.channel: r for r in memory.regions[-config.channels:]}
        code[contexts] = [(_at(regions[node // config.width], node << slot_log2, words), program)
                          for node, program in enumerate(programs)]
    memory.check(checkpoint.name)
    return Image(model, runs, code)


def _at(region, offset: int, words: int):
    """A part of a region."""
    return type(region)(region.name, region.channel, region.start + offset, words)
