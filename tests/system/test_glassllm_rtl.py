"""A real small model on the simulated chip, logits compared with the golden model bit for bit."""

import pytest
from dojang.checkpoints import load
from dojang_hdl.config import preset
from dojang_sim.chip.memories import MEMORIES

PROMPT = [5, 600, 7, 1, 300, 44, 9, 12, 100, 1023, 2, 0, 77, 512, 31, 250, 18]


@pytest.mark.parametrize("chip, memory, prompt, tokens", [
    ("sim-2x2", "lpddr4", 17, 40), ("sim-1x1", "ideal", 6, 12),
    # a chip and memory that no other test builds, sixteen nodes: minutes
    pytest.param("sim-2x2", "ideal", 17, 100, marks=pytest.mark.slow),
    pytest.param("sim-4x4", "ideal", 5, 6, marks=pytest.mark.slow),
])
def test_glassllm(chip, memory, prompt, tokens, converse):
    """``tokens`` positions: all but the last of the prompt in batches, the rest one by one."""
    checkpoint = load("glassllm")
    with converse(checkpoint, preset(chip), checkpoint.shape.context, memories=MEMORIES[memory]) as conversation:
        conversation.prefill(PROMPT[:prompt - 1])
        token = PROMPT[prompt - 1]
        while conversation.position < tokens:
            token = conversation.decode(token)
        summary = conversation.summary()
    assert 0 < summary["dram_utilization"] <= 1 and 0 < summary["engine_utilization"] <= 1
