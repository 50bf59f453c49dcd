"""Random models of many shapes on several chips, logits compared with the golden model bit for bit."""

import numpy as np
import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.blocks.writing import WRITABLE
from dojang.checkpoints.tensor_types import BLOCK_TYPES

MIXED = ("Q4_0", "Q8_0", "Q4_1", "Q4_0", "Q4_1", "F32", "F16")
"""Types of q, k, v, output, gate, up and down; down has no whole blocks where ffn is odd."""

CONVERTED = tuple(name for name in BLOCK_TYPES if name in WRITABLE and name not in MIXED)
"""Blocks of 256, and those of 32 with five bits or levels of their own."""

GRID = [
    # chip, heads, KV heads, head_dim, layers, d, ffn, vocab, types, tied, tokens of the passes
    ("sim-1x1", 4, 4, 32, 2, 64, 96, 50, ["Q4_0"], False, (1, 2, 3, 4, 1)),
    ("sim-1x1", 6, 2, 64, 1, 100, 37, 131, ["F16"], True, (4, 1)),
    ("sim-1x1", 10, 1, 32, 1, 64, 101, 77, MIXED, False, (3, 1)),              # more queries of a head than contexts
    ("sim-1x1", 4, 2, 32, 1, 288, 96, 1100, ["Q8_0"], True, (4, 1)),           # embedding rows out of the head's planes
    ("sim-1x1", 8, 2, 32, 1, 256, 256, 300, ["Q3_K"], True, (1, 1)),           # as above, with negative scales
    ("sim-1x1", 1, 1, 128, 3, 32, 33, 5, ["F32"], False, (2, 1)),              # fewer tokens than candidates
    ("sim-2x2", 4, 2, 64, 2, 96, 160, 131, ["Q4_1"], False, (1, 4, 2, 1)),
    ("sim-2x2", 9, 3, 64, 1, 96, 352, 257, ["Q8_0"], True, (3, 1)),            # a guard checks rows out of tiles
    ("sim-2x2", 2, 1, 128, 1, 68, 199, 1023, ["F16"], False, (4, 1)),
    ("sim-2x2", 12, 2, 32, 3, 160, 149, 301, MIXED, False, (4, 1)),
    ("sim-2x2", 4, 2, 64, 2, 256, 256, 70, CONVERTED, False, (1, 1)),          # every other block type
    ("sim-2x2", 5, 5, 32, 1, 50, 101, 3, ["F32"], False, (2, 1)),              # a node without vocabulary rows
    ("sim-4x4", 10, 2, 32, 1, 64, 96, 50, ["Q4_1"], False, (2, 1)),            # nodes without heads
    ("sim-4x4", 4, 1, 128, 1, 160, 352, 131, ["Q8_0"], True, (1, 4)),
    ("sim-4x4", 18, 18, 32, 1, 96, 96, 70, ["Q4_0"], False, (2, 1)),           # two KV heads on a node
    ("sim-4x4", 6, 3, 64, 2, 96, 149, 333, MIXED, False, (3, 1)),
    ("odd", 5, 5, 32, 1, 50, 101, 33, ["F16"], False, (2, 1)),
    ("odd", 14, 7, 32, 2, 64, 199, 450, MIXED, False, (2, 1, 1)),
]


def label(case) -> str:
    return "-".join(map(str, (*case[:8], "mixed" if len(case[8]) > 1 else case[8][0])))


@pytest.mark.parametrize("case", [
    # building and running sixteen nodes takes minutes
    pytest.param(case, marks=pytest.mark.slow if case[0] == "sim-4x4" else (), id=label(case)) for case in GRID])
def test_shapes(case, converse, random_model, chip_of, memory_of):
    name, heads, kv_heads, head_dim, layers, d, ffn, vocab, types, tied, passes = case
    shape = ModelShape(layers, d, heads, kv_heads, head_dim, ffn, vocab, 64, tied=tied)
    rng = np.random.default_rng(vocab)
    checkpoint = random_model(shape, types, seed=heads)
    with converse(checkpoint, chip_of(name), 40, memories=memory_of(name)) as conversation:
        conversation.run(passes, rng)


@pytest.mark.parametrize("name, positions", [
    ("sim-1x1", 35), ("sim-2x2", 67), ("odd", 100), pytest.param("sim-4x4", 34, marks=pytest.mark.slow)])
def test_tiles_of_v_and_blocks_of_scores(name, positions, converse, random_model, chip_of, memory_of):
    """Positions beyond 32, 64 and 96 begin a tile of V; on the odd chip 64 begins a block of scores."""
    longest = 5 if positions > 34 else 33  # sixteen simulated nodes are slow: few passes
    checkpoint = random_model(ModelShape(1, 32, 4, 2, 32, 32, 33, 256), ["Q8_0"])
    rng = np.random.default_rng(9)
    with converse(checkpoint, chip_of(name), positions, memories=memory_of(name)) as conversation:
        while conversation.position < positions:
            width = min(int(rng.integers(1, longest + 1)), positions - conversation.position)
            tokens = rng.integers(0, 33, width).tolist()
            conversation.prefill(tokens[:-1])
            conversation.decode(tokens[-1])
