"""Gains and biases: their order, and where every node finds its own."""

import numpy as np
import pytest
from dojang.checkpoints import Form, ModelShape, Norm, QKNorm
from dojang.checkpoints.shape import NORMS
from dojang.checkpoints.synthetic import random_checkpoint, random_set
from dojang.compile.buffers import Buffers
from dojang.compile.model import ModelLayout
from dojang.compile.regions import MemoryMap
from dojang_hdl.config import ChipConfig

CHIP = ChipConfig("vectors", width=3, height=2, channel_mib=16, coded=True)
SHAPE = ModelShape(2, 50, 5, 5, 32, 37, 67, 64, norm=Norm(bias=True), norms=NORMS[:1], qk_norm=QKNorm.HEAD,
                   biases=("attn_q", "attn_v", "attn_output", "ffn_up"))


def layout(shape, forms, sets=0):
    checkpoint = random_checkpoint(shape, forms)
    sets = [random_set(checkpoint, "set", number) for number in range(sets)]
    return checkpoint, sets, ModelLayout(checkpoint, CHIP, 40, MemoryMap(CHIP), sets)


@pytest.mark.parametrize("forms, inputs, ffn", [
    ([Form(8)], ["attn_q_attn_k_attn_v"], "ffn_gate_up"),
    ([Form(8), Form(4)], ["attn_q", "attn_v"], "ffn_up"),        # a map without biases between them
])
def test_order_of_use(forms, inputs, ffn):
    _, _, model = layout(SHAPE, forms)
    names = ["attn_norm.weight", "attn_norm.bias", *inputs, "attn_q_norm.weight", "attn_k_norm.weight", "attn_output",
             ffn]
    with_heads, without = ([vector.name.removeprefix("layer0.").removeprefix("layer1.")
                            for vector in model.vectors.of_node(heads)] for heads in (True, False))
    end = ["output_norm.weight", "output_norm.bias"]
    assert with_heads == [*names, *names, *end]
    others = [name for name in names if name[-12:] != "_norm.weight" or name == "attn_norm.weight"]
    assert without == [*others, *others, *end]


def test_every_node_has_its_own_biases_in_every_set():
    """Padding rows have zeros; a matrix without a bias in a stack too."""
    checkpoint, sets, model = layout(SHAPE, [Form(8)], sets=2)
    contents = {(region.channel, region.start): values.view("<f4")
                for region, values in model.vectors.contents([checkpoint, *map(checkpoint.with_set, sets)])}
    vectors = {vector.name: vector for vector in model.vectors.of_node(True)}
    rows = 80   # 480 over six nodes
    for number in range(3):
        variant = checkpoint.with_set(sets[number - 1]) if number else checkpoint
        for node in range(6):
            def found(name, elements, number=number, node=node):
                start, regions = model.vectors.place(vectors[name], node)
                assert start - regions[0].start + vectors[name].words <= regions[0].words
                assert regions[number].channel == node // 3
                values = contents[node // 3, regions[number].start]
                return values[4 * (start - regions[0].start):][:elements]

            inputs = np.concatenate([variant.vector("blk.1.attn_q.bias"), np.zeros(160, np.float32),
                                     variant.vector("blk.1.attn_v.bias")])
            np.testing.assert_array_equal(found("layer1.attn_q_attn_k_attn_v", rows),
                                          inputs[node * rows:(node + 1) * rows])
            np.testing.assert_array_equal(found("output_norm.bias", 50), variant.vector("output_norm.bias"))
            up = np.zeros(48, np.float32)
            up[:37] = variant.vector("blk.1.ffn_up.bias")
            np.testing.assert_array_equal(found("layer1.ffn_gate_up", 16),
                                          [*np.zeros(8), *up[node * 8:node * 8 + 8]])


@pytest.mark.parametrize("rules", [
    {"biases": ("attn_q", "ffn_up")}, {"biases": ("attn_q", "attn_output", "ffn_up"), "qk_norm": QKNorm.VECTOR}])
def test_vectors_and_positions_fit_their_buffers(rules):
    """Of nodes with and without KV heads."""
    _, _, model = layout(ModelShape(2, 50, 4, 4, 64, 400, 67, 64, learned_positions=True, **rules), [Form(8)])
    for contexts in (1, 4):
        placed = Buffers(model, contexts)
        for heads in (True, False):
            for index, vector in enumerate(model.vectors.of_node(heads)):
                assert vector.words <= placed.rx.buffers[f"vector {index % 2}"][1]
        start, words = placed.rx.buffers["gather.attention|ffn"]
        assert placed.embedding == start
        assert placed.positions == start + contexts * model.embedding.words
        assert placed.positions + contexts * placed.x_stride <= start + words


def test_a_description_without_biases_has_the_gains_alone():
    _, _, model = layout(ModelShape(2, 50, 5, 5, 32, 37, 67, 64), [Form(8)])
    regions = [region for region in model.memory.regions if region.name == "vectors"]
    assert [region.words for region in regions] == [5 * 13] * 2
