"""A real small model on the simulated chip, logits compared with the golden model bit for bit."""

import pytest
from dojang.checkpoints import load
from dojang_hdl.config import preset

PROMPT = [5, 600, 7, 1, 300, 44, 9, 12, 100, 1023, 2, 0, 77, 512, 31, 250, 18]


@pytest.mark.parametrize("chip, prompt, tokens", [
    ("sim-2x2", 17, 100), ("sim-1x1", 6, 12),
    pytest.param("sim-4x4", 5, 6, marks=pytest.mark.slow),  # building and running sixteen nodes takes minutes
])
def test_glassllm(chip, prompt, tokens, converse):
    """``tokens`` positions: all but the last of the prompt in batches, the rest one by one."""
    checkpoint = load("glassllm")
    with converse(checkpoint, preset(chip), checkpoint.shape.context) as conversation:
        conversation.prefill(PROMPT[:prompt - 1])
        token = PROMPT[prompt - 1]
        while conversation.position < tokens:
            token = conversation.decode(token)
        summary = conversation.session.summary()
    assert 0 < summary["dram_utilization"] <= 1 and 0 < summary["engine_utilization"] <= 1
