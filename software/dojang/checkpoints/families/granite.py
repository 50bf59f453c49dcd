"""Granite 3 and 4, dense: a Llama with factors on embedding, scores, what a layer adds, and logits.

Logits are divided by ``logit_scale``. A model whose rotary embedding is not ``finetuned`` has none at all.
"""

from typing import Any

from ..rules import LayerKind
from .family import Family
from .source import Source


def rules(source: Source) -> dict[str, Any]:
    """Factors, 1 where a key is missing or 0."""
    unrotated = {"kinds": (LayerKind(None),), "pattern": ()}
    return {"embedding_scale": source.factor("embedding_scale"), "residual_scale": source.factor("residual_scale"),
            "logit_scale": 1 / source.factor("logit_scale"),
            **({} if source.field("rope.scaling.finetuned", True) else unrotated)}


GRANITE = Family("granite", ("GraniteForCausalLM",), rules=rules, keys={
    "embedding_scale": "factor of embedding rows", "residual_scale": "factor of what a layer adds",
    "logit_scale": "divisor of the logits", "rope.scaling.finetuned": "if false, nothing is rotated"},
    factors="factors on embedding rows, on what a layer adds, and on logits")
