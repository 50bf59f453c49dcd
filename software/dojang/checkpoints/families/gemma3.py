"""Gemma 3, its text model: norms before and after both parts, and five layers with a window before one without.

Layers with a window have a rotary base of their own and no scaling. The 27B model's scores are divided by the root of
``d / heads``, which is not its key length; no key says so, its number of layers does.
"""

import math
from typing import Any

from ..rules import Activation, QKNorm
from ..shape import NORMS
from .family import Family
from .source import Source

LAYERS_27B = 62


def rules(source: Source) -> dict[str, Any]:
    """Factor of the embedding, scale of the scores, cap of the logits."""
    divisor = source.d // source.heads if source.layers == LAYERS_27B else source.key_dim
    return {"embedding_scale": math.sqrt(source.d), "score_scale": 1 / math.sqrt(divisor),
            "logit_cap": source.number("final_logit_softcapping", 0.0)}


GEMMA3 = Family(
    "gemma3", ("Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"), norms=NORMS, qk_norm=QKNorm.HEAD,
    activation=Activation.GELU_TANH, halves=True, period=6, local_base=10000.0, local_scaled=False, gain_offset=1.0,
    keys={"rope.freq_base_swa": "rotary base of layers with a window, 10000 without",
          "final_logit_softcapping": "cap of the logits"},
    rules=rules, factors="embedding rows times √d; scores of the 27B model divided by √(d / heads)")
