"""A chip that holds several scale sets: switched between passes, every logit is the golden model's with that set."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import LlamaShape, ScaleSet
from dojang.checkpoints.synthetic import random_set
from dojang.sessions import SessionError
from dojang_hdl.config import preset


def test_sets_change_within_a_conversation(converse, random_model):
    """The cache stays; guards see that the streams of every set are tiles of their own."""
    shape = LlamaShape(2, 96, 4, 2, 32, 160, 131, 64)
    checkpoint = random_model(shape, ["Q4_0", "Q8_0", "Q4_1"], seed=5)
    whole = random_set(checkpoint, "whole", 1)
    part = ScaleSet("part", {name: values for name, values in random_set(checkpoint, "part", 2).values.items()
                             if "attn" in name})
    rng = np.random.default_rng(5)
    config = replace(preset("sim-2x2"), coded=True)
    with converse(checkpoint, config, 40, sets=(whole, part)) as conversation:
        for number, count in ((0, 2), (1, 1), (2, 4), (1, 1), (0, 1)):
            conversation.session.use_set(number)
            tokens = rng.integers(0, 131, count).tolist()
            if count == 1:
                conversation.decode(tokens[0])
            else:
                conversation.prefill(tokens)
        assert conversation.position == 9
        with pytest.raises(SessionError, match="scale set 3 was asked for, expected 0 to 2"):
            conversation.session.use_set(3)
        conversation.decode(7)  # still with set 0
        conversation.summary()
