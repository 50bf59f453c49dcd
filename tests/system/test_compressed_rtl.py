"""Models in every compressed form on simulated chips, logits compared with the golden model bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import Form, LlamaShape
from dojang.checkpoints.synthetic import with_forms
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.chip.memories import IDEAL, MEMORIES, Ideal

ODD = ChipConfig("odd", width=3, height=2, lanes=2, contexts=2, acc_rows=64, sram_words=2048, plane_fifo=64,
                 scale_fifo=64, program_fifo=64, chunk=32, channel_mib=16, coded=True)
"""No power of two of nodes, the smallest buffers, several row blocks in every matrix."""

SMALL = replace(ODD, name="small", width=1, height=1, lanes=1, contexts=1)

CHIPS = {"odd": ODD, "small": SMALL}


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
    # forms in turns, chip, memory, layers, d, ffn, heads, KV heads, head_dim, tokens of the passes
    ("windows", WINDOWS, "sim-2x2", MEMORIES["lpddr4"], 1, 128, 192, 4, 2, 32, (1, 4)),
    ("windows", WINDOWS, "odd", Ideal(latency=100, pauses=5), 1, 96, 160, 6, 3, 32, (2, 1)),
    ("windows", WINDOWS, "small", IDEAL, 1, 100, 64, 2, 2, 32, (1,)),
    ("dense", DENSE, "sim-1x1", IDEAL, 2, 160, 100, 4, 4, 32, (3, 1)),
    ("one bit", ONE_BIT, "sim-2x2", IDEAL, 1, 256, 128, 4, 4, 32, (1, 3)),
    ("ternary", TERNARY, "odd", IDEAL, 1, 128, 96, 4, 4, 32, (2,)),
    ("pruned", PRUNED, "sim-2x2", IDEAL, 1, 96, 160, 4, 4, 32, (1, 2)),
    ("pruned", PRUNED, "small", IDEAL, 1, 64, 96, 2, 2, 32, (1,)),
    ("bcq", [BCQ], "sim-1x1", IDEAL, 1, 96, 96, 3, 3, 32, (4, 1)),
    ("mixed", MIXED, "sim-2x2", MEMORIES["lpddr4"], 2, 100, 199, 5, 5, 32, (4, 1)),
]


@pytest.mark.parametrize("case", GRID, ids=lambda case: f"{case[0]}-{case[2]}")
def test_forms(case, converse, random_model):
    _, forms, name, memory, layers, d, ffn, heads, kv_heads, head_dim, passes = case
    shape = LlamaShape(layers, d, heads, kv_heads, head_dim, ffn, 67, 64)
    checkpoint = with_forms(random_model(shape, ["F16"], seed=heads), forms, seed=d)
    rng = np.random.default_rng(d)
    with converse(checkpoint, CHIPS.get(name) or preset(name), 40, memories=memory) as conversation:
        for count in passes:
            tokens = rng.integers(0, 67, count).tolist()
            if count == 1:
                conversation.decode(tokens[0])
            else:
                conversation.prefill(tokens)
