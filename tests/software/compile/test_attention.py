"""The order in which a compiled pass reads and writes the K/V cache."""

from itertools import pairwise

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.compile import compile_model
from dojang.profile.instructions import decode
from dojang_hdl.config import preset
from dojang_hdl.isa import URGENT, Context, Op

SHAPE = ModelShape(layers=1, d=96, heads=6, kv_heads=3, head_dim=32, ffn=160, vocab=131, context=256)
"""Three heads on two channels: the second node's head lies in both."""

CONTEXTS = 4


@pytest.fixture(scope="module")
def programs():
    image = compile_model(random_checkpoint(SHAPE), preset("sim-2x2"), 64)
    return [decode(program, [Context(1, 9 + c) for c in range(CONTEXTS)])
            for program in image.node_programs(CONTEXTS)]


def is_value_product(instruction):
    return instruction.op is Op.GEMV and instruction.fields["n_is_groups"]


@pytest.mark.parametrize("node", range(3))
def test_a_tile_is_asked_for_while_the_context_before_attends(programs, node):
    """And is written when that one has read the same rows."""
    program = programs[node]
    products = [at for at, each in enumerate(program) if is_value_product(each)]
    puts = [at for at, each in enumerate(program) if each.op is Op.VPUT]
    blocks = len(puts) // CONTEXTS
    assert blocks == (2 if node == 1 else 1) and len(products) == len(puts)
    for number in range(blocks, len(puts)):
        put = program[puts[number]].fields
        asked = max(at for at, each in enumerate(program[:puts[number]]) if each.op is Op.STREAM and all(
            each.fields[name] == put[name] for name in ("addr", "channel", "context")))
        assert asked < products[number - blocks] < puts[number]


def test_a_head_in_two_channels_changes_between_them_twice_a_context(programs):
    """Once among its keys, once among its values: a reader waits for all words of a channel before it asks another."""
    urgent = [each.fields for each in programs[1] if each.op is Op.STREAM and each.fields["stream"] in URGENT]
    channels = [fields["channel"] for fields in urgent if fields["stream"] == URGENT[0]]
    assert sum(a != b for a, b in pairwise(channels)) == 2 * CONTEXTS + 1
