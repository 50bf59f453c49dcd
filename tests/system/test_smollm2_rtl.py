"""SmolLM2 on the simulated chip, logits of all positions compared with the golden model bit for bit."""

import pytest
from dojang.checkpoints import CheckpointError, load
from dojang.compress.compress import compress
from dojang.compress.plan import RECIPES
from dojang.texts import calibration_windows
from dojang.tokenizer import Tokenizer
from dojang_hdl.config import preset
from dojang_sim.chip.memories import MEMORIES

PROMPT = [1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 30, 378, 1043, 5253, 28, 284, 260, 2240]
"""17 ids: 16 in batches, the last one and what follows one by one."""


@pytest.fixture(scope="module")
def checkpoint():
    try:
        return load("smollm2")
    except CheckpointError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("memory, utilization", [("ideal", 0.8), ("lpddr4", 0.85)])
def test_prompt_and_decoding(memory, utilization, checkpoint, converse):
    with converse(checkpoint, preset("sim-2x2"), 2048, memories=MEMORIES[memory]) as conversation:
        conversation.prefill(PROMPT[:-1])
        token = PROMPT[-1]
        for _ in range(4):
            token = conversation.decode(token)
        summary = conversation.summary()
    assert utilization <= summary["dram_utilization"] <= 1


@pytest.mark.slow
def test_recipe_3(checkpoint, converse, tmp_path):
    """Compressed to three bits a weight (minutes), a batch and two tokens."""
    path = tmp_path / "smollm2-x3.dojang"
    windows, _ = calibration_windows(Tokenizer(checkpoint.tokenizer))
    compress(checkpoint, path, RECIPES["3"], windows, workers=2)
    with converse(load(path), preset("sim-2x2"), 2048) as conversation:
        conversation.prefill(PROMPT[:4])
        conversation.decode(conversation.decode(PROMPT[4]))
