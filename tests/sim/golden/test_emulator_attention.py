"""Every attention rule on the emulated chip: logits are the golden model's bit for bit, at every position."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, QKNorm, Rotation
from dojang.checkpoints.synthetic import random_checkpoint

from .machine import ODD, Machine, chip

VOCAB = 33

BLOCKS = replace(ODD, name="blocks", width=1, height=1)
"""Scores and values in several row blocks, two contexts, one node."""

FULL, PLAIN = LayerKind(), LayerKind(None)
SLOW = Rotation(base=100.0, magnitude=1.25)


def window(size, rotation=SLOW):
    return LayerKind(rotation, size)


def shape(*kinds, heads=2, kv_heads=1, key=32, value=0, **fields):
    """Small; a layer of each of ``kinds``."""
    pattern = tuple(range(len(kinds))) if len(kinds) > 1 else ()
    return ModelShape(len(kinds), 32, heads, kv_heads, -(-key // 32) * 32, 32, VOCAB, 256, key_dim=key,
                      value_dim=value, kinds=kinds, pattern=pattern, **fields)


CASES = {
    # shape, chip, context, first position that is compared, last: passes reach across tiles where the first is odd
    "window 1": (shape(window(1)), "sim-1x1", 70, 1, 70),
    "window 5 and none": (shape(window(5), FULL), "sim-1x1", 70, 1, 70),
    "window 32, two heads a node": (shape(window(32), heads=4, kv_heads=2), "sim-1x1", 100, 29, 100),
    "window 33": (shape(window(33), heads=5), "sim-1x1", 140, 61, 132),
    "window 64 in several blocks": (shape(window(64)), "blocks", 136, 61, 136),
    "windows in turns": (shape(window(20), window(31, Rotation(50.0, 8)), PLAIN, window(50)), "blocks", 100, 47, 100),
    "window of nearly all": (shape(window(33)), "sim-2x2", 40, 29, 40),
    "no rotation": (shape(PLAIN, heads=4, kv_heads=2, key=36), "sim-2x2", 40, 0, 5),
    "rotations in turns": (shape(FULL, LayerKind(SLOW), PLAIN, FULL, heads=5, kv_heads=5), "odd", 40, 0, 5),
    "cap": (shape(FULL, heads=4, kv_heads=2, score_cap=2.0), "sim-2x2", 40, 0, 4),
    "cap in a window": (shape(window(7), window(7, Rotation(9.0)), score_cap=1.5, score_scale=0.5), "odd", 44, 0, 44),
    "norm of heads": (shape(FULL, heads=6, kv_heads=3, key=20, qk_norm=QKNorm.HEAD), "sim-2x2", 40, 0, 5),
    "norm of heads, no rotation": (shape(PLAIN, window(3), heads=4, kv_heads=2, qk_norm=QKNorm.HEAD), "odd", 40, 0, 8),
    "norm of vectors": (shape(FULL, PLAIN, heads=6, kv_heads=3, qk_norm=QKNorm.VECTOR), "sim-1x1", 40, 0, 5),
    "norm of vectors, heads of one": (shape(FULL, heads=7, kv_heads=7, key=4, qk_norm=QKNorm.VECTOR), "odd", 40, 0, 4),
    "norms and everything around": (
        shape(window(3), FULL, heads=4, kv_heads=2, qk_norm=QKNorm.HEAD, biases=("attn_q", "attn_v", "attn_output"),
              norms=("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"), score_cap=3.0),
        "sim-2x2", 40, 0, 9),
    "large heads": (shape(FULL, window(20), heads=4, key=256), "sim-1x1", 50, 29, 50),
    "the largest keys": (shape(FULL, heads=3, key=512, value=4), "sim-1x1", 40, 0, 5),
    "values in several blocks": (shape(FULL, key=4, value=132), "odd", 40, 29, 36),
}


class Session:
    """Passes of random tokens on both machines."""

    def __init__(self, shape, name, context):
        checkpoint = random_checkpoint(shape, sharpness=4.0)
        self.machine = Machine(checkpoint, BLOCKS if name == "blocks" else chip(name), context)
        self._random = np.random.default_rng(context)

    def skip(self, end):
        """To position ``end`` without comparing."""
        tokens = self._random.integers(0, VOCAB, end).tolist()
        if tokens:
            self.machine.golden.forward(tokens, 0)
        for at in range(0, end, self.machine.image.contexts):
            self.machine.run(tokens[at:at + self.machine.image.contexts])

    def go(self, end, width=4):
        """To position ``end``, ``width`` tokens a pass."""
        machine = self.machine
        while machine.position < end:
            count = min(machine.image.contexts, width, end - machine.position)
            machine.check(self._random.integers(0, VOCAB, count).tolist())


@pytest.mark.parametrize("case", CASES)
def test_logits_are_the_golden_ones(case):
    of, name, context, first, last = CASES[case]
    session = Session(of, name, context)
    session.skip(first)
    session.go(last)


def test_a_window_goes_back_and_on():
    """Positions are taken back, and others come instead: what lies behind in the cache is of no effect."""
    session = Session(shape(window(10), window(40)), "sim-1x1", 100)
    session.skip(90)
    for back, end, width in ((70, 73, 1), (50, 56, 3), (3, 9, 4), (1, 3, 1)):
        session.machine.position = back
        session.go(end, width)
