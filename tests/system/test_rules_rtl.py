"""What a description may ask for, on simulated chips: logits compared with the golden model bit for bit."""

import numpy as np
import pytest
from dojang.checkpoints import Activation, Form, ModelShape, Norm
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint

LAYER_NORM = Norm(centred=True, bias=True)
BIASES = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")

GRID = {
    # chip, layers, heads, KV heads, head_dim, d, ffn, vocab, rules, tokens of the passes
    "layer norm, biases, positions": ("sim-1x1", 2, 2, 2, 32, 64, 100, 50, {
        "norm": LAYER_NORM, "biases": BIASES, "gated": False, "activation": Activation.GELU_TANH,
        "learned_positions": True}, (4, 1)),
    "norms behind, factors, capped logits": ("sim-2x2", 2, 4, 2, 32, 68, 96, 131, {
        "norms": NORMS[1::2], "activation": Activation.GELU_ERF, "biases": BIASES[:3], "embedding_scale": 8.0,
        "residual_scale": 0.5, "logit_scale": 2.0, "logit_cap": 3.0}, (3, 1)),
    "every norm, biases of nodes, little room": ("odd", 1, 5, 5, 32, 50, 66, 200, {
        "norms": NORMS, "norm": LAYER_NORM, "biases": BIASES, "gated": False, "activation": Activation.GELU_ERF,
        "logit_scale": 0.5}, (2, 1)),
    "no norms": ("sim-1x1", 1, 2, 1, 32, 36, 40, 20, {"norms": (), "gated": False}, (2, 1)),
    "all of it on sixteen nodes": ("sim-4x4", 2, 4, 2, 32, 100, 96, 131, {
        "norms": NORMS, "norm": LAYER_NORM, "biases": (*BIASES[:4], "ffn_gate", *BIASES[4:]),
        "activation": Activation.GELU_TANH, "learned_positions": True, "embedding_scale": 3.0,
        "residual_scale": 0.25, "logit_scale": 0.5, "logit_cap": 2.0}, (4, 1)),
}


@pytest.mark.parametrize("rule", [
    pytest.param(rule, marks=pytest.mark.slow if case[0] == "sim-4x4" else ()) for rule, case in GRID.items()])
def test_rules(rule, converse, chip_of, memory_of):
    name, layers, heads, kv_heads, head_dim, d, ffn, vocab, rules, passes = GRID[rule]
    shape = ModelShape(layers, d, heads, kv_heads, head_dim, ffn, vocab, 64, **rules)
    checkpoint = random_checkpoint(shape, [Form(8, signed=True), Form(4, signed=True)], seed=d)
    rng = np.random.default_rng(d)
    with converse(checkpoint, chip_of(name), 40, memories=memory_of(name)) as conversation:
        conversation.run(passes, rng)
