"""Models in every compressed form on simulated chips, logits compared with the golden model bit for bit."""

import numpy as np
import pytest
from dojang.checkpoints import Form, LayerKind, ModelShape, Norm, QKNorm, Rotation
from dojang.checkpoints.synthetic import random_checkpoint, with_forms
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES


def window(code: Code, **fields) -> Form:
    return Form(CODES[code].planes, code=code, double=True, zero=-CODES[code].maximum, row_scale=True, **fields)


def turned(code: Code) -> Form:
    return window(code, group=64, rotated=True)


WINDOWS = [turned(code) for code in CODES]
DENSE = [Form(bits, signed=True, group=group) for bits in (4, 3, 2) for group in (32, 64, 128)]
ONE_BIT = [Form(1, group=group, double=True, zero=-1) for group in (32, 64, 128)]
TERNARY = [Form(2, group=group, zero=-1) for group in (32, 64, 128)]
PRUNED = [(window(Code.X2), 0.5), (window(Code.X2, group=64), 0.25), (window(Code.X3, group=128), 0.5),
          (window(Code.X2_5), 0.3), (window(Code.X4), 0.5)]
BCQ = Form(1, double=True, zero=-1, terms=3)
MIXED = [turned(Code.X3), Form(4, signed=True, group=128, rotated=True), turned(Code.X4), Form(8, signed=True),
         (window(Code.X2), 0.5), turned(Code.X2_5), BCQ]

GRID = [
    # forms in turns, chip, layers, d, ffn, heads, KV heads, head_dim, tokens of the passes
    ("windows", WINDOWS, "sim-2x2", 1, 128, 192, 4, 2, 32, (1, 4)),
    ("windows", WINDOWS, "odd", 1, 96, 160, 6, 3, 32, (2, 1)),
    ("windows", WINDOWS, "small", 1, 100, 64, 2, 2, 32, (1,)),
    ("dense", DENSE, "sim-1x1", 2, 160, 100, 4, 4, 32, (3, 1)),
    ("one bit", ONE_BIT, "sim-2x2", 1, 256, 128, 4, 4, 32, (1, 3)),
    ("ternary", TERNARY, "odd", 1, 128, 96, 4, 4, 32, (2,)),
    ("pruned", PRUNED, "sim-2x2", 1, 96, 160, 4, 4, 32, (1, 2)),
    ("pruned", PRUNED, "small", 1, 64, 96, 2, 2, 32, (1,)),
    ("bcq", [BCQ], "sim-1x1", 1, 96, 96, 3, 3, 32, (4, 1)),
    ("mixed", MIXED, "sim-2x2", 2, 100, 199, 5, 5, 32, (4, 1)),
]


@pytest.mark.parametrize("case", [
    # a chip of its own; the engine's bench has a lane and a context every day
    pytest.param(case, marks=pytest.mark.slow if case[2] == "small" else (), id=f"{case[0]}-{case[2]}")
    for case in GRID])
def test_forms(case, converse, random_model, chip_of, memory_of):
    _, forms, name, layers, d, ffn, heads, kv_heads, head_dim, passes = case
    shape = ModelShape(layers, d, heads, kv_heads, head_dim, ffn, 67, 64)
    checkpoint = with_forms(random_model(shape, ["F16"], seed=heads), forms, seed=d)
    rng = np.random.default_rng(d)
    with converse(checkpoint, chip_of(name), 40, memories=memory_of(name)) as conversation:
        conversation.run(passes, rng)


@pytest.mark.parametrize("form", [ONE_BIT[-1], TERNARY[-1]], ids=["one bit", "ternary"])
def test_trained_forms_in_their_shape(form, converse, chip_of, memory_of):
    """Queries and keys normalised per head, heads and groups of 128."""
    shape = ModelShape(1, 128, 2, 1, 128, 128, 67, 64, norm=Norm(1e-6), kinds=(LayerKind(Rotation(1e6)),),
                       qk_norm=QKNorm.HEAD, tied=True)
    checkpoint = random_checkpoint(shape, [form], seed=7)
    with converse(checkpoint, chip_of("sim-2x2"), 40, memories=memory_of("sim-2x2")) as conversation:
        conversation.prefill([5, 60, 31])
        conversation.decode(44)
