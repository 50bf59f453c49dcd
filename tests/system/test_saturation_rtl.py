"""A value beyond FP16: the logits stay the golden model's, and the session says where it was."""

import numpy as np
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import amplified
from dojang.sessions import saturation_message
from dojang_sim.golden.model import GoldenModel


def test_the_first_clipped_value_is_told(converse, random_model, chip_of, memory_of):
    shape = ModelShape(layers=1, d=64, heads=4, kv_heads=4, head_dim=32, ffn=96, vocab=50, context=64)
    checkpoint = random_model(shape, ["Q8_0"], seed=4)

    def largest(tokens) -> float:
        """Of the last token's activations before ffn_down."""
        trace = {}
        GoldenModel(checkpoint, 8).forward(tokens, 0, trace)
        return float(np.abs(trace["0.a"][-1]).max())

    quiet = min(range(shape.vocab), key=lambda token: largest([token]))
    loud = max(range(shape.vocab), key=lambda token: largest([quiet] * 4 + [token]))
    factor = 1.5 * 65504 / largest([quiet] * 4 + [loud])
    checkpoint = amplified(checkpoint, {"blk.0.ffn_up.weight": factor})
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
