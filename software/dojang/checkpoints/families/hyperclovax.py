"""HyperCLOVA X SEED Think: Granite's factors, and norms after both parts if the model has them.

llama.cpp has no such architecture: the keys are Granite's, with what the published ``config.json`` has. Its
``logits_scaling``, ``logit_scale`` here, is a factor, where Granite's is a divisor. (The smaller SEED models are
published as Llama.)
"""

from typing import Any

from ..shape import NORMS
from .family import Family
from .source import Source


def rules(source: Source) -> dict[str, Any]:
    """Factors, 1 where a key is missing or 0; norms after where the first layer has one."""
    after = "blk.0.post_attention_norm.weight" in source.file.tensors
    return {**{key: source.factor(key) for key in ("embedding_scale", "residual_scale", "logit_scale")},
            **({"norms": NORMS} if after else {})}


HYPERCLOVAX = Family("hyperclovax", ("HyperCLOVAXForCausalLM",), rules=rules, keys={
    "embedding_scale": "factor of embedding rows", "residual_scale": "factor of what a layer adds",
    "logit_scale": "factor of the logits"}, factors="factors like Granite's; norms after too if the file has them")
