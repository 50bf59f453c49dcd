"""Where everything of a model lies in the channels' memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS, ChipConfig

from ..checkpoints import Checkpoint, Form
from .embedding import FloatRows, HeadRows, shares_head
from .errors import CompileError
from .layout import round_up
from .linear import Linear, compatible, split_rows
from .program import QUEUE
from .regions import MemoryMap, Region
from .sram import vector_words

__all__ = ["KV_BITS", "CacheRegions", "InputGroups", "LayerLayout", "ModelLayout"]

KV_BITS = 8
TERMS = 2
"""INT8 codes an element of K or V is stored as."""

CONTEXT_LIMIT = 16_000
"""The largest context whose row blocks fit the field ``n_bias``."""


@dataclass(frozen=True)
class CacheRegions:
    """K/V cache of one layer and KV head, in the channel of the node that owns the head."""

    keys: Region
    key_scales: Region
    values: Region
    value_scales: Region


@dataclass(frozen=True)
class LayerLayout:
    """A layer's linear maps and caches.

    ``inputs``: q, k, v stacked as far as their types agree; in the gathered vector they start at elements ``at[0]``,
    ``at[1]`` and ``at[2]``. ``ffn_inputs``: gate and up, in one map if their types agree. ``caches``: by KV head, as
    soon as they are allocated.
    """

    inputs: list[Linear]
    at: tuple[int, int, int]
    output: Linear
    ffn_inputs: list[Linear]
    down: Linear
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
    """

    def __init__(self, checkpoint: Checkpoint, config: ChipConfig, context: int, memory: MemoryMap):
        self.checkpoint, self.config, self.context, self.memory = checkpoint, config, context, memory
        self.shape = shape = checkpoint.shape
        self.positions = round_up(context, BLOCK)
        self.groups = shape.head_dim // BLOCK
        self._check()
        channels = range(config.channels)
        self.layers = [self._layer(index) for index in range(shape.layers)]
        shared = shares_head(checkpoint, config)
        self.head = Linear("head", config, [checkpoint.head], multiple=config.acc_rows if shared else 4)
        for linear in self._linears():
            linear.allocate(memory)
        memory.end_tiles()
        self.rotary = [memory.allocate("rotary", channel, self.positions * 2 * shape.head_dim // ELEMENTS)
                       for channel in channels]
        self.gain_words = vector_words(shape.d)
        self.gains = [memory.allocate("norm.gains", channel, (2 * shape.layers + 1) * self.gain_words)
                      for channel in channels]
        self.embedding = HeadRows(self.head, memory) if shared else FloatRows(checkpoint, config, memory)
        for index, layer in enumerate(self.layers):
            layer.caches.extend(self._cache(f"cache.layer{index}.head{head}", self.owner(head) // config.width)
                                for head in range(shape.kv_heads))
        self.logit_words = self.head.rows // ELEMENTS
        self.contexts = min(config.contexts, 4)
        self.logits = [[memory.allocate(f"logits.node{node}.context{c}", node // config.width, self.logit_words)
                        for c in range(self.contexts)] for node in range(config.nodes)]

    def _check(self) -> None:
        shape, config = self.shape, self.config
        if not 1 <= self.context <= CONTEXT_LIMIT:
            raise CompileError(f"a context of {self.context} positions was asked for, expected 1 to {CONTEXT_LIMIT}")
        largest = min(QUEUE // TERMS * BLOCK, config.acc_rows // TERMS)
        if shape.head_dim > largest:
            raise CompileError(f"the model's heads have {shape.head_dim} elements, chip {config.name!r} takes "
                               f"{largest} at most")
        for name, matrix in self.checkpoint.matrices() if not config.coded else ():
            if matrix.form != Form(matrix.bits, matrix.signed):
                raise CompileError(f"{name} is compressed ({matrix.form}), chip {config.name!r} takes plain codes in "
                                   f"groups of {BLOCK} only (coded=False)")

    def _layer(self, index: int) -> LayerLayout:
        """A layer with nothing allocated yet."""
        config, layer = self.config, self.checkpoint.layers[index]
        name = f"layer{index}"
        q, k, v = layer.attn_q, layer.attn_k, layer.attn_v
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
        gate, up = layer.ffn_gate, layer.ffn_up
        if compatible(gate, up):
            ffn_inputs = [Linear(f"{name}.ffn_gate_up", config, [gate], [up])]
        else:
            ffn_inputs = [Linear(f"{name}.ffn_gate", config, [gate]), Linear(f"{name}.ffn_up", config, [up])]
        return LayerLayout(inputs, (at[0], at[1], at[2]), Linear(f"{name}.attn_output", config, [layer.attn_output]),
                           ffn_inputs, Linear(f"{name}.ffn_down", config, [layer.ffn_down]))

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
                 "values": terms * group_words, "value_scales": self.positions // ELEMENTS}
        return CacheRegions(**{part: self.memory.allocate(f"{name}.{part}", channel, words)
                               for part, words in sizes.items()})

    def owner(self, kv_head: int) -> int:
        """The node that keeps a KV head."""
        return kv_head % self.config.nodes

    @property
    def ffn_slice(self) -> int:
        """Rows of gate, and of up, of every node."""
        return split_rows(self.shape.ffn, self.config.nodes)

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        """(region, bytes from its start) of everything but programs; caches and logits start as zeros."""
        shape, checkpoint = self.shape, self.checkpoint
        gains = np.zeros((2 * shape.layers + 1, self.gain_words * ELEMENTS), "<f4")
        gains[0:-1:2, :shape.d] = [layer.attn_norm for layer in checkpoint.layers]
        gains[1::2, :shape.d] = [layer.ffn_norm for layer in checkpoint.layers]
        gains[-1, :shape.d] = checkpoint.output_norm
        rotary = rotary_table(shape, self.positions)
        for channel in range(self.config.channels):
            yield self.rotary[channel], _bytes(rotary)
            yield self.gains[channel], _bytes(gains)
        yield from self.embedding.contents()
        for linear in self._linears():
            yield from linear.contents()


def rotary_table(shape, positions: int) -> np.ndarray:
    """float32 [positions, 2, head_dim]: C and S of numerics.md, computed in float64."""
    theta = shape.rope_base ** (-np.arange(0, shape.head_dim, 2, dtype=np.float64) / shape.head_dim)
    if shape.rope_factors is not None:
        theta = theta / np.array(shape.rope_factors)
    angle = np.arange(positions)[:, None] * theta
    table = np.empty((positions, 2, shape.head_dim // 2, 2), np.float64)
    table[:, 0] = np.cos(angle)[:, :, None]
    table[:, 1] = np.sin(angle)[:, :, None] * [-1, 1]
    return table.reshape(positions, 2, shape.head_dim).astype("<f4")


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
