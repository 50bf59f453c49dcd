"""Attention's rules on simulated chips: logits compared with the golden model bit for bit."""

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, QKNorm, Rotation
from dojang.checkpoints.synthetic import random_checkpoint

ROTATION = Rotation(base=100.0, magnitude=1.25)
FULL, PLAIN, NARROW, WIDE = LayerKind(), LayerKind(None), LayerKind(ROTATION, 5), LayerKind(ROTATION, 33)

GRID = {
    # chip, kinds of layers, heads, KV heads, key, value, rules, context, tokens of the passes
    "window, cap, norms of heads": ("sim-1x1", (NARROW, FULL), 2, 1, 36, 12, {
        "qk_norm": QKNorm.HEAD, "score_cap": 3.0}, 40, (35, 3, 1, 1)),
    "rotations in turns, norms of vectors": ("sim-2x2", (FULL, PLAIN, LayerKind(ROTATION)), 8, 4, 32, 32, {
        "qk_norm": QKNorm.VECTOR}, 40, (3, 1)),
    "values in several blocks": ("odd", (FULL,), 2, 1, 4, 36, {"score_scale": 0.5}, 36, (2, 1)),
    "large heads": ("sim-1x1", (PLAIN,), 4, 1, 256, 256, {}, 36, (4, 1)),
    "windows over several tiles": ("sim-2x2", (WIDE, NARROW), 4, 2, 32, 32, {"score_cap": 2.0}, 140, (98, 2, 1, 4)),
    "windows over several blocks": ("small", (WIDE, NARROW), 2, 1, 32, 36, {"qk_norm": QKNorm.HEAD}, 104, (97, 2, 1)),
}
SLOW = ("windows over several tiles", "windows over several blocks")


@pytest.mark.parametrize("rule", [pytest.param(rule, marks=pytest.mark.slow if rule in SLOW else ()) for rule in GRID])
def test_attention(rule, converse, chip_of, memory_of):
    name, kinds, heads, kv_heads, key, value, rules, context, passes = GRID[rule]
    pattern = tuple(range(len(kinds))) if len(kinds) > 1 else ()
    shape = ModelShape(len(kinds), 32, heads, kv_heads, -(-key // 32) * 32, 32, 33, 256, key_dim=key, value_dim=value,
                       kinds=kinds, pattern=pattern, **rules)
    checkpoint = random_checkpoint(shape, seed=key, sharpness=4.0)
    rng = np.random.default_rng(key)
    with converse(checkpoint, chip_of(name), context, memories=memory_of(name)) as conversation:
        conversation.run(passes, rng)
