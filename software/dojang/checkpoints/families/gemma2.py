"""Gemma 2: norms before and after both parts, caps of scores and logits, a window in every other layer.

The 27B model's scores are divided by the root of ``d / heads``, which is not its key length; no key says so, its number
of layers does.
"""

import math
from typing import Any

from ..rules import Activation
from ..shape import NORMS
from .family import Family
from .source import Source

LAYERS_27B = 46


def rules(source: Source) -> dict[str, Any]:
    """Factor of the embedding, scale of the scores, caps."""
    divisor = source.d // source.heads if source.layers == LAYERS_27B else source.key_dim
    return {"embedding_scale": math.sqrt(source.d), "score_scale": 1 / math.sqrt(divisor),
            "score_cap": source.number("attn_logit_softcapping", 50.0),
            "logit_cap": source.number("final_logit_softcapping", 30.0)}


GEMMA2 = Family(
    "gemma2", ("Gemma2ForCausalLM",), norms=NORMS, activation=Activation.GELU_TANH, halves=True, window=4096, period=2,
    gain_offset=1.0, keys={"attn_logit_softcapping": "cap of the scores, 50 without",
                           "final_logit_softcapping": "cap of the logits, 30 without",
                           "rope.freq_base_swa": "rotary base of layers with a window, `rope.freq_base` without"},
    rules=rules, factors="embedding rows times √d; scores of the 27B model divided by √(d / heads)")
