"""Compiled programs of everything that a description may ask for outside attention give the golden logits."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Activation, Form, ModelShape, Norm
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint, random_set
from dojang.compile import CompileError, compile_model, layer
from dojang.compile.norm import emit_input
from dojang_hdl.config import preset
from dojang_hdl.isa import Code

from .machine import Machine, chip

ALL = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
LAYER_NORM = Norm(1e-4, centred=True, bias=True)
INT8, NIBBLE = Form(8, signed=True), Form(4, signed=True)
WINDOW = Form(4, code=Code.X3, double=True, zero=-15, row_scale=True, group=64, rotated=True)
WIDE = Form(1, group=128, double=True, zero=-1)

RULES = {
    # chip, passes, sizes (heads, KV heads, head_dim, d, ffn, vocab), forms in turns, rules
    "layer norm": ("sim-1x1", (4, 1), (2, 2, 32, 64, 96, 50), [INT8], {"norm": LAYER_NORM}),
    "centred without bias": ("odd", (2, 1), (5, 5, 32, 50, 101, 33), [INT8], {"norm": Norm(centred=True)}),
    "norms behind": ("sim-2x2", (3, 1), (4, 2, 32, 100, 96, 131), [NIBBLE], {"norms": NORMS[1::2]}),
    "all norms": ("odd", (2, 1), (4, 2, 32, 68, 70, 67), [INT8],
                  {"norms": NORMS, "norm": LAYER_NORM, "residual_scale": 0.22}),
    "no norms": ("sim-1x1", (2, 1), (2, 1, 32, 36, 40, 20), [INT8], {"norms": ()}),
    "all biases": ("sim-2x2", (4, 1), (6, 2, 32, 100, 37, 131), [INT8], {"biases": ALL}),
    "biases of linears apart": ("odd", (2, 1), (5, 5, 32, 52, 66, 67), [INT8, NIBBLE],
                                {"biases": ("attn_q", "attn_v", "ffn_up", "ffn_down")}),
    "a bias in a stack": ("sim-4x4", (2, 1), (4, 2, 32, 64, 96, 50), [INT8], {"biases": ("attn_k", "attn_output")}),
    "gelu_tanh, gated": ("sim-2x2", (2, 1), (4, 2, 32, 64, 101, 50), [INT8], {"activation": Activation.GELU_TANH}),
    "gelu_tanh": ("sim-1x1", (3, 1), (2, 2, 32, 64, 100, 50), [INT8],
                  {"activation": Activation.GELU_TANH, "gated": False}),
    "gelu_erf, gated": ("odd", (2, 1), (2, 1, 32, 64, 101, 50), [INT8], {"activation": Activation.GELU_ERF}),
    "gelu_erf": ("sim-1x1", (2, 1), (2, 2, 32, 64, 96, 50), [INT8],
                 {"activation": Activation.GELU_ERF, "gated": False, "biases": ("ffn_up",)}),
    "silu alone": ("sim-1x1", (1, 2), (2, 2, 32, 64, 96, 50), [INT8], {"gated": False}),
    "positions": ("sim-2x2", (4, 1), (4, 4, 32, 50, 96, 67), [INT8], {"learned_positions": True}),
    "factors": ("sim-1x1", (2, 1), (2, 1, 32, 64, 96, 50), [INT8],
                {"embedding_scale": 8.0, "residual_scale": 0.25, "logit_scale": 0.0625}),
    "capped logits": ("odd", (2, 1), (2, 1, 32, 64, 96, 500), [INT8], {"logit_cap": 1.5, "logit_scale": 2.0}),
    "everything": ("odd", (2, 1), (5, 5, 32, 52, 66, 400), [NIBBLE, INT8],
                   {"norms": NORMS, "norm": LAYER_NORM, "biases": (*ALL[:4], *ALL[5:]), "gated": False,
                    "activation": Activation.GELU_ERF, "learned_positions": True, "embedding_scale": 3.0,
                    "residual_scale": 0.5, "logit_scale": 0.5, "logit_cap": 2.0}),
}


def shape_of(sizes, rules, layers=2) -> ModelShape:
    heads, kv_heads, head_dim, d, ffn, vocab = sizes
    return ModelShape(layers, d, heads, kv_heads, head_dim, ffn, vocab, 64, **rules)


@pytest.mark.parametrize("rule", RULES)
def test_logits_are_the_golden_ones(rule):
    name, passes, sizes, forms, rules = RULES[rule]
    machine = Machine(random_checkpoint(shape_of(sizes, rules), forms, seed=3), chip(name), 40)
    for contexts in passes:
        machine.check(np.random.default_rng(contexts).integers(0, sizes[-1], contexts).tolist())


@pytest.mark.parametrize("forms", [[NIBBLE, INT8], [WINDOW, INT8, WIDE]], ids=["plain", "compressed"])
def test_sets_have_their_own_vectors(forms):
    """Biases of nodes too, which lie behind what all nodes share; behind vectors h has zeros up to whole groups."""
    _, _, sizes, _, rules = RULES["everything"]
    checkpoint = random_checkpoint(shape_of(sizes, rules), forms)
    other, first = (random_set(checkpoint, "set", seed) for seed in (2, 1))
    machine = Machine(checkpoint, replace(chip("odd"), coded=True), 40, sets=[other, first])
    machine.check([3, 1])
    machine.set = 2
    machine.golden.rescale(checkpoint.with_set(first))
    machine.check([4])


@pytest.mark.parametrize("rules", [{"embedding_scale": 12.0, "learned_positions": True}, {"embedding_scale": 0.1}])
def test_rows_out_of_the_head(rules):
    checkpoint = random_checkpoint(shape_of((2, 1, 32, 96, 96, 131), {"tied": True, **rules}, 1))
    stored = replace(checkpoint, load_matrix=lambda name: replace(checkpoint.load_matrix(name), source="Q8_0"))
    machine = Machine(stored, chip("row"), 40)
    assert sum(region.words for region in machine.image.regions if region.name == "embedding") == 2 * 131
    machine.check([130, 7])
    machine.check([64])


def test_positions_are_stored_as_far_as_they_are_reserved():
    checkpoint = random_checkpoint(shape_of((2, 1, 32, 50, 96, 50), {"learned_positions": True}))
    for context in (40, 64):
        image = compile_model(checkpoint, preset("sim-2x2"), context)
        assert [r.words for r in image.regions if r.name == "positions"] == [13 * context] * 2
    with pytest.raises(CompileError, match=r"^a context of 65 positions was asked for, the model has learned 64$"):
        compile_model(checkpoint, preset("sim-2x2"), 65)


def test_the_last_positions():
    machine = Machine(random_checkpoint(shape_of((2, 1, 32, 64, 96, 50), {"learned_positions": True}, 1)),
                      preset("sim-1x1"), 9)
    for tokens in ([1, 2, 3, 4], [5, 6, 7, 8], [9]):
        machine.check(tokens)


def test_a_vector_taken_out_of_order_is_noticed(monkeypatch):
    checkpoint = random_checkpoint(shape_of((2, 1, 32, 64, 96, 50), {}))
    names = {"attn_norm": "ffn_norm"}
    monkeypatch.setattr(layer, "emit_input", lambda w, name: emit_input(w, names.get(name) or name))
    with pytest.raises(ValueError, match=r"vector ffn_norm.weight is to be used before attn_norm.weight"):
        compile_model(checkpoint, preset("sim-1x1"), 40)
