"""Every attention rule on the emulated chip: logits are the golden model's bit for bit, at every position."""

from dataclasses import replace
from functools import reduce
from operator import or_

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, QKNorm, Rotation
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.compile import compile_model
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.isa import Flag
from dojang_sim.golden.emulator import Emulator
from dojang_sim.golden.model import GoldenModel

ODD = ChipConfig("odd", width=3, height=2, lanes=2, contexts=2, acc_rows=64, sram_words=2048, plane_fifo=256,
                 scale_fifo=256, channel_mib=16)
"""Several row blocks, of scores and values too; more nodes than heads."""

VOCAB = 33


def chip(name: str) -> ChipConfig:
    return ODD if name == "odd" else preset(name)


class Machine:
    """An emulated chip and the golden model, pass by pass; tokens are random."""

    def __init__(self, checkpoint, config, context, seed=0):
        self.image = compile_model(checkpoint, config, context)
        self.memories = [np.zeros(config.channel_words * 16, np.uint8) for _ in range(config.channels)]
        self.image.fill(self.memories)
        self.emulator, self.golden = Emulator(config, self.memories, seed), GoldenModel(checkpoint, context)
        self.position, self._random = 0, np.random.default_rng(seed)

    def run(self, count):
        """A pass of so many tokens on both; the emulator's result."""
        tokens = self._random.integers(0, VOCAB, count).tolist()
        expected = self.golden.forward(tokens, self.position)
        program = self.image.programs[count]
        result = self.emulator.run(program.base, program.slot_log2, program.words, self.position, count, tokens)
        logits = np.stack([self.image.read_logits(self.memories, c) for c in range(count)])
        assert np.array_equal(logits.view(np.uint32), expected.view(np.uint32)), f"position {self.position}"
        assert reduce(or_, result.errors) == Flag(0)
        self.position += count
        return result

    def fill_to(self, position):
        """Passes as wide as possible up to ``position``."""
        while self.position < position:
            self.run(min(self.image.contexts, position - self.position))


def shape(kinds, layers=None, heads=2, kv_heads=1, key=32, value=0, **fields):
    """Small, of sharp scores; ``kinds`` in turns."""
    layers = layers or len(kinds)
    pattern = tuple(layer % len(kinds) for layer in range(layers)) if len(kinds) > 1 else ()
    return ModelShape(layers, 32, heads, kv_heads, -(-key // 32) * 32, 32, VOCAB, 256, key_dim=key, value_dim=value,
                      kinds=tuple(kinds), pattern=pattern, **fields)


FULL, PLAIN = LayerKind(), LayerKind(None)


def window(size, rotation=None):
    return LayerKind(rotation or Rotation(base=100.0), size)


CASES = {
    # shape, chip, context, positions reached
    "window 1": (shape([window(1)]), "sim-1x1", 70, 70),
    "window 5, full": (shape([window(5), FULL]), "sim-2x2", 70, 70),
    "window 32": (shape([window(32)], heads=4, kv_heads=2), "sim-2x2", 100, 100),
    "window 33": (shape([window(33)], heads=6, kv_heads=1), "sim-1x1", 140, 140),
    "window 64 on odd": (shape([window(64)]), "odd", 160, 160),
    "three windows": (shape([window(20), window(31, Rotation(base=50.0, dim=8)), window(50), PLAIN]), "odd", 120, 120),
    "window as long as the cache": (shape([window(33)]), "sim-2x2", 40, 40),
    "no rotation": (shape([PLAIN], heads=4, kv_heads=2, key=36), "sim-2x2", 40, 6),
    "rotations in turns": (shape([FULL, LayerKind(Rotation(base=100.0, magnitude=1.25)), PLAIN], 4, 5, 5), "odd", 40, 5),
    "cap": (shape([FULL], heads=4, kv_heads=2, score_cap=2.0), "sim-2x2", 40, 34),
    "cap in a window": (shape([window(7), window(7, Rotation(base=9.0))], score_cap=1.5, score_scale=0.5), "odd", 50, 50),
    "big heads": (shape([FULL, window(40)], heads=4, kv_heads=1, key=256), "sim-2x2", 80, 80),
    "values of several blocks": (shape([FULL], key=4, value=132), "odd", 40, 34),
}


@pytest.mark.parametrize("name", CASES)
def test_logits_are_the_golden_ones(name):
    case, on, context, reached = CASES[name]
    machine = Machine(random_checkpoint(case, sharpness=4.0), chip(on), context, seed=len(name))
    machine.fill_to(reached)
