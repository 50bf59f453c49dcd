"""SmolLM2 on the simulated chip, logits of all positions compared with the golden model bit for bit."""

import pytest
from dojang.checkpoints import CheckpointError, load
from dojang_hdl.config import preset

PROMPT = [1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 30, 378, 1043, 5253, 28, 284, 260, 2240]
"""17 ids: 16 in batches, the last one and what follows one by one."""


@pytest.fixture(scope="module")
def checkpoint():
    try:
        return load("smollm2")
    except CheckpointError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_prompt_and_decoding(checkpoint, converse):
    with converse(checkpoint, preset("sim-2x2"), 2048) as conversation:
        conversation.prefill(PROMPT[:-1])
        token = PROMPT[-1]
        for _ in range(4):
            token = conversation.decode(token)
        summary = conversation.session.summary()
    assert 0.8 <= summary["dram_utilization"] <= 1
