"""Where everything of a model lies in the channels' memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from dojang_hdl.config import BLOCK, ELEMENTS, ChipConfig
from dojang_hdl.isa import CACHE_BITS, SET_BITS

from ..checkpoints import Checkpoint, Form, LayerKind, Matrix, ScaleSet
from .embedding import FloatRows, HeadRows, shares_head
from .errors import CompileError
from .kv_cache import TERMS, CacheRegions, HeadPlace, allocate_cache
from .layout import round_up
from .linear import Linear, compatible, split_rows
from .regions import MemoryMap, Region
from .span import Span
from .sram import vector_words
from .tables import allocate_masks, allocate_rotary
from .vectors import Vector, Vectors, layer_vectors

__all__ = ["InputGroups", "LayerLayout", "ModelLayout"]

CONTEXT_LIMIT = 16_000
"""The largest context whose row blocks fit the field ``n_bias``."""

VOCAB_LIMIT = 1 << 20
"""Token ids that an address follows; nodes multiply so many bits."""


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
    context: positions that a sequence may have; ``positions`` is that rounded up to whole tiles.
    rows: positions that the K/V cache has for all sequences; ``positions`` if None.
    sets: scale sets beside the checkpoint's own scales and gains, which are number 0.
    """

    def __init__(self, checkpoint: Checkpoint, config: ChipConfig, context: int, memory: MemoryMap,
                 sets: Sequence[ScaleSet] = (), rows: int | None = None):
        self.checkpoint, self.config, self.context, self.memory = checkpoint, config, context, memory
        self.sets, self._variants = sets, [checkpoint, *map(checkpoint.with_set, sets)]
        self.shape = shape = checkpoint.shape.at(context)
        self.positions = round_up(context, BLOCK)
        self.rows = self.positions if rows is None else rows
        self.groups = shape.head_dim // BLOCK
        self._check()
        channels = range(config.channels)
        self.layers = [self._layer(index) for index in range(shape.layers)]
        shared = shares_head(checkpoint, config)
        self.head = Linear("head", config, [checkpoint.head], multiple=config.acc_rows if shared else 4)
        for linear in self._linears():
            linear.allocate(memory, 1 + len(sets))
        memory.end_tiles()
        self.rotary = allocate_rotary(shape, self.positions, memory)
        self.masks = allocate_masks([layer.span for layer in self.layers], memory)
        self.vectors = Vectors(self._vectors(), config, memory, 1 + len(sets))
        self.embedding = HeadRows(self.head, memory) if shared else FloatRows(checkpoint, config, memory)
        self.position_rows = [memory.allocate("positions", channel, context * vector_words(shape.d))
                              for channel in channels if shape.learned_positions]
        for index, layer in enumerate(self.layers):
            layer.caches.extend(
                allocate_cache(f"cache.layer{index}.head{head}", self.owner(head) // config.width,
                               self._place(head), shape, self.rows, memory)
                for head in range(shape.kv_heads))
        self.logit_words = self.head.rows // ELEMENTS
        self.contexts = config.contexts
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
        if shape.learned_positions and self.context > shape.context:
            raise CompileError(f"a context of {self.context} positions was asked for, the model has learned "
                               f"{shape.context}")
        if self.rows % BLOCK or not 0 < self.rows < 1 << CACHE_BITS:
            raise CompileError(f"a K/V cache of {self.rows:,} rows was asked for, expected a multiple of {BLOCK} below "
                               f"{1 << CACHE_BITS:,}")
        if shape.vocab > VOCAB_LIMIT:
            raise CompileError(f"the model has {shape.vocab:,} tokens, expected at most {VOCAB_LIMIT:,}")
        largest = config.queued_streams[1] // TERMS * BLOCK
        if shape.head_dim > largest:
            raise CompileError(f"the model's heads have keys of {shape.key_dim} elements, chip {config.name!r} takes "
                               f"{largest} at most")
        for name, matrix in self.checkpoint.matrices() if not config.coded else ():
            if matrix.form != Form(matrix.bits, matrix.signed):
                raise CompileError(f"{name} is compressed ({matrix.form}), chip {config.name!r} takes plain codes in "
                                   f"groups of {BLOCK} only (coded=False)")

    def _layer(self, index: int) -> LayerLayout:
        """A layer with nothing allocated yet."""
        config, shape, layer = self.config, self.shape, self.checkpoint.layers[index]
        kind = shape.kind(index)

        def linear(name: str, *parts: list[Matrix]) -> Linear:
            return Linear(f"layer{index}.{name}", config, *parts, biases=shape.biases)

        q, k, v = (layer.matrix(f"attn_{part}") for part in "qkv")
        stacks = [[q]]
        for matrix in (k, v):
            if compatible(stacks[-1][-1], matrix):
                stacks[-1].append(matrix)
            else:
                stacks.append([matrix])
        inputs = [linear("_".join(m.name.split(".")[-2] for m in stack), stack) for stack in stacks]
        at, start = [], 0
        for stack, stacked in zip(stacks, inputs, strict=True):
            before = 0
            for matrix in stack:
                at.append(start + before)
                before += matrix.rows
            start += stacked.rows * config.nodes
        ffn = [layer.matrix(name) for name in ("ffn_gate", "ffn_up") if name in shape.matrices()]
        if compatible(*ffn):
            ffn_inputs = [linear("ffn_gate_up" if shape.gated else "ffn_up", *([matrix] for matrix in ffn))]
        else:
            ffn_inputs = [linear(matrix.name.split(".")[-2], [matrix]) for matrix in ffn]
        return LayerLayout(inputs, (at[0], at[1], at[2]), linear("attn_output", [layer.matrix("attn_output")]),
                           ffn_inputs, linear("ffn_down", [layer.matrix("ffn_down")]), kind,
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

    def _vectors(self) -> list[Vector]:
        """In the order a pass needs them."""
        last = [Vector(name, name, vector_words(*size)) for name, size in self.shape.tensors().items()
                if name.startswith("output_norm.")]
        return [*(vector for index, layer in enumerate(self.layers)
                  for vector in layer_vectors(self.shape, index, layer.linears())), *last]

    def owner(self, kv_head: int) -> int:
        """The node that keeps a KV head."""
        return kv_head % self.config.nodes

    def _place(self, kv_head: int) -> HeadPlace:
        """Every node attends to one head at a time, in ascending order."""
        turn, nodes = self.owner(kv_head), self.config.nodes
        return HeadPlace(turn, min(nodes, self.shape.kv_heads - kv_head + turn))

    @property
    def ffn_slice(self) -> int:
        """Rows of gate, and of up, of every node."""
        return split_rows(self.shape.ffn, self.config.nodes)

    def contents(self) -> Iterator[tuple[Region, np.ndarray]]:
        """(region, bytes from its start) of everything but programs; caches and logits start as zeros."""
        for table in (*self.rotary.values(), *self.masks.values()):
            yield from table.contents()
        yield from self.vectors.contents(self._variants)
        yield from self.embedding.contents()
        for region in self.position_rows:
            yield region, _bytes(self._position_table())
        scales = [{}, *(item.values for item in self.sets)]
        for linear in self._linears():
            yield from linear.contents(scales)

    def _position_table(self) -> np.ndarray:
        """float32 [positions, elements of whole words]."""
        table = np.zeros((self.context, vector_words(self.shape.d) * ELEMENTS), "<f4")
        if self.checkpoint.positions is not None:
            table[:, :self.shape.d] = self.checkpoint.positions[:self.context]
        return table


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1).view(np.uint8)
