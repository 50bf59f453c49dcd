"""A chip that holds several scale sets: switched between passes, every logit is the golden model's with that set."""

import numpy as np
import pytest
from dojang.checkpoints import Form, ModelShape, ScaleSet
from dojang.checkpoints.synthetic import random_set, with_forms
from dojang.sessions import SessionError
from dojang_hdl.config import preset
from dojang_hdl.isa import Code

COMPRESSED = [Form(4, code=Code.X3, group=64, row_scale=True, rotated=True, double=True, zero=-15),
              Form(1, double=True, zero=-1, terms=3), Form(4, signed=True, group=64)]


@pytest.mark.parametrize("forms", [[], COMPRESSED], ids=["plain", "compressed"])
def test_sets_change_within_a_conversation(forms, converse, random_model):
    """The cache stays; guards see that the streams of every set are tiles of their own."""
    shape = ModelShape(2, 96, 4, 2, 32, 160, 131, 64)
    checkpoint = random_model(shape, ["Q4_0", "Q8_0", "Q4_1"], seed=5)
    if forms:
        checkpoint = with_forms(checkpoint, forms, seed=5)
    whole = random_set(checkpoint, "whole", 1)
    part = ScaleSet("part", {name: values for name, values in random_set(checkpoint, "part", 2).values.items()
                             if "attn" in name})
    rng = np.random.default_rng(5)
    with converse(checkpoint, preset("sim-2x2"), 40, sets=(whole, part)) as conversation:
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
