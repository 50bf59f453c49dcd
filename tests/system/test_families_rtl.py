"""A model of every family, from its file, on simulated chips: logits compared with the golden model bit for bit."""

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.checkpoints.families import FAMILIES
from dojang.oracle.cases import CASES, UNASKED
from dojang.oracle.families import write_case

GRID = {
    # case: chip
    "llama, biases": "sim-1x1",
    "smollm3": "sim-2x2",
    "qwen2": "sim-2x2",
    "qwen3": "sim-1x1",
    "phi3, short texts": "sim-2x2",
    "gemma": "sim-1x1",
    "gemma2": "sim-2x2",
    "gemma3, a pattern": "sim-1x1",
    "granite": "sim-1x1",
    "gpt2": "sim-1x1",
    "stablelm, biases": "sim-2x2",
    "olmo2, windows": "sim-2x2",
    "hyperclovax, norms behind": "sim-1x1",
}

EVERYDAY = ("gemma3, a pattern", "gpt2")
"""Between them most rules; the chip's own tests have the others."""

PASSES = (4, 4, 4, 4, 1)
"""Tokens of each; so many that windows cut."""


def test_every_family_is_here():
    assert {(CASES | UNASKED)[name].family for name in GRID} == set(FAMILIES)


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name in EVERYDAY else pytest.mark.slow) for name in GRID])
def test_families(name, tmp_path, converse, chip_of, memory_of):
    case = (CASES | UNASKED)[name]
    checkpoint = load(write_case(case, 0, tmp_path / "m.gguf"))
    rng = np.random.default_rng(len(name))
    with converse(checkpoint, chip_of(GRID[name]), 40, memories=memory_of(GRID[name])) as conversation:
        conversation.run(PASSES, rng)
