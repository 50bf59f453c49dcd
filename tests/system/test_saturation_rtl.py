"""A value beyond FP16: the logits stay the golden model's, and the session says where it was."""

import numpy as np
from dojang.checkpoints import LlamaShape
from dojang.checkpoints.synthetic import amplified
from dojang.sessions import saturation_message
from dojang_sim.golden.llama import Llama


def test_the_first_clipped_value_is_told(converse, random_model, chip_of, memory_of):
    shape = LlamaShape(layers=1, d=64, heads=4, kv_heads=4, head_dim=32, ffn=96, vocab=50, context=64)
    checkpoint = random_model(shape, ["Q8_0"], seed=4)
    largest = []
    for token in range(shape.vocab):
        trace = {}
        Llama(checkpoint, 1).forward([token], 0, trace)
        largest.append(np.abs(trace["0.a"]).max())
    quiet, loud = int(np.argmin(largest)), int(np.argmax(largest))
    checkpoint = amplified(checkpoint, {"blk.0.ffn_up.weight": 1.5 * 65504 / max(largest)})
    name = "sim-1x1"
    with converse(checkpoint, chip_of(name), 40, memories=memory_of(name)) as conversation:
        conversation.prefill([quiet] * 3)
        conversation.decode(quiet)
        assert conversation.session.summary()["saturated"] == {}
        for _ in range(2):
            conversation.decode(loud)
            saturated = conversation.session.summary()["saturated"]
            assert saturated.keys() == {"position 4", "0.a"} and saturated["position 4"] == 1
            assert "first in layer 0 (activation before ffn_down)" in saturation_message(saturated)
