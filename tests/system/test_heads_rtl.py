"""Heads whose programs differ, on simulated chips: logits compared with the golden model bit for bit.

Rotary rules that only change the tables need no chip of their own: one stands for them.
"""

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation


def rotated(**fields) -> tuple[LayerKind]:
    return (LayerKind(Rotation(**fields)),)


GRID = [
    # chip, heads, KV heads, head_dim, further fields, tokens of the passes
    ("sim-1x1", 4, 2, 64, {"key_dim": 48}, (4, 1, 1)),                               # half a group of zeros
    ("sim-2x2", 6, 3, 96, {"key_dim": 80, "kinds": rotated(dim=40, magnitude=1.25)}, (3, 1)),
    ("sim-2x2", 8, 2, 128, {"key_dim": 100}, (4, 1)),                                # the last group has one word
    ("odd", 5, 5, 32, {"key_dim": 28, "value_dim": 20, "kinds": rotated(dim=6), "score_scale": 0.5}, (2, 1)),
    ("sim-1x1", 2, 1, 32, {"value_dim": 96, "kinds": rotated(factors=(1.0, 4.0) * 8)}, (2, 1, 4)),
]


@pytest.mark.parametrize("name, heads, kv_heads, head_dim, fields, passes", GRID)
def test_heads(name, heads, kv_heads, head_dim, fields, passes, converse, random_model, chip_of, memory_of):
    shape = ModelShape(1, 64, heads, kv_heads, head_dim, 96, 50, 64, **fields)
    rng = np.random.default_rng(head_dim)
    checkpoint = random_model(shape, ["F16"], seed=heads)
    with converse(checkpoint, chip_of(name), 40, memories=memory_of(name)) as conversation:
        conversation.run(passes, rng)


def test_tiles_of_narrow_values(converse, random_model, chip_of, memory_of):
    """Positions beyond 32 begin another tile of V, whose rows are no power of two."""
    checkpoint = random_model(ModelShape(1, 32, 2, 1, 64, 32, 33, 64, key_dim=36, value_dim=12), ["F16"])
    tokens = np.random.default_rng(9).integers(0, 33, 35).tolist()
    with converse(checkpoint, chip_of("sim-1x1"), 36, memories=memory_of("sim-1x1")) as conversation:
        conversation.prefill(tokens[:-1])
        conversation.decode(tokens[-1])
