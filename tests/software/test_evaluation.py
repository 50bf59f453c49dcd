"""Figures and numerics of an evaluation, of models of any description."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Norm
from dojang.checkpoints.rules import QKNorm
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.evaluation import Numerics, bytes_per_token, evaluate

PLAIN = ModelShape(2, 64, 4, 2, 32, 96, 50, 64)


@pytest.mark.parametrize("rules, more", [
    ({}, 0), ({"learned_positions": True}, 64), ({"norms": ()}, -2 * 2 * 64), ({"qk_norm": QKNorm.HEAD}, 2 * 2 * 32),
    ({"norm": Norm(bias=True)}, 5 * 64), ({"norms": NORMS, "biases": ("attn_k", "ffn_up")}, 2 * (2 * 64 + 64 + 96))])
def test_a_token_reads_its_rows_gains_and_biases(rules, more):
    checkpoint = random_checkpoint(replace(PLAIN, **rules))
    matrices = sum(matrix.stored_bytes for _, matrix in checkpoint.matrices())
    assert bytes_per_token(checkpoint) == matrices + 4 * ((2 * 2 + 1) * 64 + 64 + more)


def test_golden_and_fast_numerics_are_equal():
    checkpoint = random_checkpoint(replace(PLAIN, kinds=(LayerKind(None, 5),), biases=("attn_q",)), sharpness=3)
    windows = np.random.default_rng(1).integers(0, 50, (3, 20))
    golden, fast = (numerics.open(checkpoint, 20) for numerics in (Numerics.GOLDEN, Numerics.FAST))
    result = evaluate(fast, windows, golden)
    assert (result.tokens, result.kl, result.top1) == (57, 0, 1) and result.perplexity == result.other_perplexity
