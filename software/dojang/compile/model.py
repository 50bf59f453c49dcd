"""Where everything of a model lies in the channels' memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS, ChipConfig
from dojang_hdl.isa import SET_BITS

from ..checkpoints import Checkpoint, Form, LayerKind, Rotation, ScaleSet
from .embedding import FloatRows, HeadRows, shares_head
from .errors import CompileError
from .layout import round_up
from .linear import Linear, compatible, split_rows
from .regions import MemoryMap, Region
from .span import Span, mask_table
from .sram import vector_words
from .tables import PositionTable, rotary_table

__all__ = ["KV_BITS", "CacheRegions", "InputGroups", "LayerLayout", "ModelLayout"]

KV_BITS = 8
TERMS = 2
"""INT8 codes an element of K or V is stored as."""

VALUE_ROWS = 512
"""Rows of V in one product at most: so few STREAMs bring the tiles of the largest context."""

CONTEXT_LIMIT = 16_000
"""The largest context whose row blocks fit the field ``n_bias``."""

VOCAB_LIMIT = 1 << 20
"""Token ids that an address follows; nodes multiply so many bits."""


@dataclass(frozen=True)
class ValueBlock:
    """``rows`` rows of V from row ``first`` on: tiles of 32 positions from word ``start`` on."""

    first: int
    rows: int
    start: int

    @property
    def tile_words(self) -> int:
        return self.rows * KV_BITS // ELEMENTS


@dataclass(frozen=True)
class CacheRegions:
    """K/V cache of one layer and KV head, in the channel of the node that owns the head."""

    keys: Region
    key_scales: Region
    values: Region
    value_scales: Region
    value_blocks: list[ValueBlock]


@dataclass(frozen=True)
class LayerLayout:
    """A layer's linear maps and caches.

    ``inputs``: q, k, v stacked as far as their types agree; in the gathered vector they start at elements ``at[0]``,
    ``at[1]`` and ``at[2]``. ``ffn_inputs``: gate and up, in one map if their types agree. ``kind``: its rotation and
    window; ``span``: what its queries read. ``caches``: by KV head, as soon as they are allocated.
    """

    inputs: list[Linear]
    at: tuple[int, int, int]
    output: Linear
    ffn_inputs: list[Linear]
    down: Linear
    kind: LayerKind
    span: Span
    caches: list[CacheRegions] = field(default_factory=list)

    def linears(self) -> list[Linear]:
        return [*self.inputs, self.output, *self.ffn_inputs, self.down]


class InputGroups(NamedTuple):
    """The largest groups of columns that products of h, o and a have: their vectors end with whole ones."""

    h: int
    o: int
    a: int


class ModelLayout:
    """Regions of a model on a chip, and what they hold.

    Parameters
    ----------
    context: positions of the K/V cache; ``positions`` is that rounded up to whole tiles.
    sets: scale sets beside the checkpoint's own scales and gains, which are number 0.
    """

    def __init__(self, checkpoint: Checkpoint, config: ChipConfig, context: int, memory: MemoryMap,
                 sets: Sequence[ScaleSet] = ()):
        self.checkpoint, self.config, self.context, self.memory = checkpoint, config, context, memory
        self.sets, self._variants = sets, [checkpoint, *map(checkpoint.with_set, sets)]
        self.shape = shape = checkpoint.shape.at(context)
        self.positions = round_up(context, BLOCK)
        self.groups = shape.head_dim // BLOCK
        self._check()
        channels = range(config.channels)
        self.layers = [self._layer(index) for index in range(shape.layers)]
        shared = shares_head(checkpoint, config)
        self.head = Linear("head", config, [checkpoint.head], multiple=config.acc_rows if shared else 4)
        for linear in self._linears():
            linear.allocate(memory, 1 + len(sets))
        memory.end_tiles()
        self.rotary, self.masks = self._rotary_tables(), self._mask_tables()
        self.gain_words = vector_words(shape.d)
        self.gains = [[memory.allocate(f"norm.gains.set{number}" if number else "norm.gains", channel,
                                       (2 * shape.layers + 1) * self.gain_words)
                       for number in range(1 + len(sets))] for channel in channels]
        self.embedding = HeadRows(self.head, memory) if shared else FloatRows(checkpoint, config, memory)
        for index, layer in enumerate(self.layers):
            layer.caches.extend(self._cache(f"cache.layer{index}.head{head}", self.owner(head) // config.width)
                                for head in range(shape.kv_heads))
        self.logit_words = self.head.rows // ELEMENTS
        self.contexts = min(config.contexts, 4)
        self.logits = [[memory.allocate(f"logits.node{node}.context{c}", node // config.width, self.logit_words)
                        for c in range(self.contexts)] for node in range(config.nodes)]

    def _check(self) -> None:
        shape, config, sets = self.shape, self.config, len(self.sets)
        if sets and not config.coded:
            raise CompileError(f"{sets} scale sets were given, chip {config.name!r} has no register that chooses one "
                               "(coded=False)")
        if sets >= 1 << SET_BITS:
            raise CompileError(f"{sets} scale sets were given, expected {(1 << SET_BITS) - 1} at most")
        if not 1 <= self.context <= CONTEXT_LIMIT:
            raise CompileError(f"a context of {self.context} positions was asked for, expected 1 to {CONTEXT_LIMIT}")
        if shape.vocab > VOCAB_LIMIT:
            raise CompileError(f"the model has {shape.vocab:,} tokens, expected at most {VOCAB_LIMIT:,}")
        largest = config.queued_streams // TERMS * BLOCK
        if shape.head_dim > largest:
            raise CompileError(f"the model's heads have keys of {shape.key_dim} elements, chip {config.name!r} takes "
                               f"{largest} at most")
        for name, matrix in self.checkpoint.matrices() if not config.coded else ():
            if matrix.form != Form(matrix.bits, matrix.signed):
                raise CompileError(f"{name} is compressed ({matrix.form}), chip {config.name!r} takes plain codes in "
                                   f"groups of {BLOCK} only (coded=False)")

    def _layer(self, index: int) -> LayerLayout:
        """A layer with nothing allocated yet."""
        config, layer, kind = self.config, self.checkpoint.layers[index], self.shape.kind(index)
        name = f"layer{index}"
        q, k, v = (layer.matrix(f"attn_{part}") for part in "qkv")
        stacks = [[q]]
        for matrix in (k, v):
            if compatible(stacks[-1][-1], matrix):
                stacks[-1].append(matrix)
            else:
                stacks.append([matrix])
        inputs = [Linear(f"{name}.{'_'.join(m.name.split('.')[-2] for m in stack)}", config, stack) for stack in stacks]
        at, start = [], 0
        for stack, linear in zip(stacks, inputs, strict=True):
            before = 0
            for matrix in stack:
                at.append(start + before)
                before += matrix.rows
            start += linear.rows * config.nodes
        gate, up = layer.matrix("ffn_gate"), layer.matrix("ffn_up")
        if compatible(gate, up):
            ffn_inputs = [Linear(f"{name}.ffn_gate_up", config, [gate], [up])]
        else:
            ffn_inputs = [Linear(f"{name}.ffn_gate", config, [gate]), Linear(f"{name}.ffn_up", config, [up])]
        return LayerLayout(inputs, (at[0], at[1], at[2]), Linear(f"{name}.attn_output", config, [layer.matrix("attn_output")]),
                           ffn_inputs, Linear(f"{name}.ffn_down", config, [layer.matrix("ffn_down")]), kind,
                           Span(self.positions, kind.window))

    def input_groups(self) -> InputGroups:
        """Of normed vectors, of attention's result and of the activation."""
        def largest(linears):
            return max(linear.matrix.form.group for linear in linears)

        return InputGroups(largest([self.head, *(linear for layer in self.layers
                                                 for linear in (*layer.inputs, *layer.ffn_inputs))]),
                           largest(layer.output for layer in self.layers), largest(layer.down for layer in self.layers))

    def _linears(self) -> list[Linear]:
        """In the order a pass streams them."""
        return [*(linear for layer in self.layers for linear in layer.linears()), self.head]

    def _cache(self, name: str, channel: int) -> CacheRegions:
        group_words = self.positions * KV_BITS // ELEMENTS
        terms = TERMS * self.groups
        sizes = {"keys": terms * group_words, "key_scales": terms * self.positions // 8,
                 "values": TERMS * self.shape.value_dim * group_words // BLOCK,
                 "value_scales": self.positions // ELEMENTS}
        regions = {part: self.memory.allocate(f"{name}.{part}", channel, words) for part, words in sizes.items()}
        rows, largest = TERMS * self.shape.value_dim, min(self.config.acc_rows, VALUE_ROWS)
        start = regions["values"].start
        blocks = [ValueBlock(first, min(largest, rows - first), start + first * group_words // BLOCK)
                  for first in range(0, rows, largest)]
        return CacheRegions(**regions, value_blocks=blocks)

    def _rotary_tables(self) -> dict[Rotation, PositionTable]:
        """Of all kinds of layers. Of one rotation every head of a group has its copy, so that a VEC turns them all."""
        rotations = list(dict.fromkeys(kind.rotation for kind in self.shape.kinds if kind.rotation))
        size, positions = self.shape.key_dim, self.positions
        return {rotation: PositionTable.allocate(
            f"rotary{index or ''}", self.memory, positions, 2, size, partial(rotary_table, rotation, size, positions),
            copies=self.shape.group if len(rotations) == 1 else 1) for index, rotation in enumerate(rotations)}

    def _mask_tables(self) -> dict[Span, PositionTable]:
        """Of all windows."""
        spans = list(dict.fromkeys(layer.span for layer in self.layers if layer.span.window))
        return {span: PositionTable.allocate(
            f"mask.window{span.window}", self.memory, self.positions, 1, span.mask_size, partial(mask_table, span))
            for span in spans}

    def owner(self, kv_head: int) -> int:
        """The node that keeps a KV head."""
        return kv_head % self.config.nodes

    @property
    def ffn_slice(self) -> int:
        """Rows of gate, and of up, of every node."""
        return split_rows(self.shape.ffn, self.config.nodes)

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        """(region, bytes from its start) of everything but programs; caches and logits start as zeros."""
        gains = [self._gains(checkpoint) for checkpoint in self._variants]
        for channel in range(self.config.channels):
            for region, values in zip(self.gains[channel], gains, strict=True):
                yield region, _bytes(values)
        for table in (*self.rotary.values(), *self.masks.values()):
            yield from table.contents()
        yield from self.embedding.contents()
        scales = [{}, *(item.values for item in self.sets)]
        for linear in self._linears():
            yield from linear.contents(scales)

    def _gains(self, checkpoint: Checkpoint) -> np.ndarray:
        """float32 [norms, elements of whole words], in order of use."""
        gains = np.zeros((2 * self.shape.layers + 1, self.gain_words * ELEMENTS), "<f4")
        for index, layer in enumerate(checkpoint.layers):
            gains[2 * index:2 * index + 2, :self.shape.d] = [layer.vector(f"{name}.weight") for name in self.shape.norms]
        gains[-1, :self.shape.d] = checkpoint.vector("output_norm.weight")
        return gains


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
