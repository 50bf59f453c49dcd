"""Gemma 3 270M on the simulated chip, logits of all positions compared with the golden model bit for bit."""

import pytest
from dojang.checkpoints import load
from dojang.oracle.gemma import fetch
from dojang.tokenizer import Tokenizer
from dojang_hdl.config import preset
from dojang_sim.toolchain import cache_root


@pytest.mark.slow
@pytest.mark.oracle
def test_prompt_and_decoding(converse):
    checkpoint = load(fetch(cache_root() / "gemma3"))
    ids = Tokenizer(checkpoint.tokenizer).encode("The capital of France is")
    with converse(checkpoint, preset("sim-2x2"), 64) as conversation:
        conversation.prefill(ids[:-1])
        token = ids[-1]
        for _ in range(3):
            token = conversation.decode(token)
