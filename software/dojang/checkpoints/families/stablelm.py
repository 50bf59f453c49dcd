"""StableLM 3B and 2 1.6B: a Llama with LayerNorm, of which a part of each head is rotated.

StableLM 2 12B, whose two parts of a layer are parallel and whose heads have a LayerNorm each, is refused. Its files
have no ``ffn_norm``; ``use_parallel_residual`` says nothing, as converters set it where a configuration is silent.
"""

from typing import Any

from ..errors import UnsupportedError
from ..rules import Norm
from .family import Family
from .source import Source


def rules(source: Source) -> dict[str, Any]:
    """Nothing but the refusal."""
    if "blk.0.ffn_norm.weight" not in source.file.tensors:
        raise UnsupportedError(f"{source.file.path}: parallel residuals are not supported: tensor "
                               "blk.0.ffn_norm.weight is missing")
    return {}


STABLELM = Family("stablelm", ("StableLmForCausalLM", "StableLMEpochForCausalLM"), norm=Norm(centred=True, bias=True),
                  halves=True, rules=rules, keys={
                      "use_parallel_residual": "nothing: models with parallel residuals have no `ffn_norm`"})
