"""Families of models: one page each, by the name that GGUF files have for it.

Another one is added by `register`.
"""

from .family import Family
from .gemma import GEMMA
from .gemma2 import GEMMA2
from .gemma3 import GEMMA3
from .gpt2 import GPT2
from .granite import GRANITE
from .hyperclovax import HYPERCLOVAX
from .llama import LLAMA
from .olmo2 import OLMO2
from .phi3 import PHI3
from .qwen2 import QWEN2
from .qwen3 import QWEN3
from .smollm3 import SMOLLM3
from .source import Source
from .stablelm import STABLELM

__all__ = ["FAMILIES", "Family", "Source", "published", "register"]

FAMILIES: dict[str, Family] = {}
"""By `Family.name`."""


def register(family: Family) -> Family:
    """Add a family, whose models `dojang.checkpoints.load` reads from then on.

    Raises
    ------
    ValueError: there is one of that name, or one that is published under the same.
    """
    taken = {family.name} & FAMILIES.keys() or {name for name in family.published if published(name)}
    if taken:
        raise ValueError(f"a family {min(taken)!r} is registered already")
    FAMILIES[family.name] = family
    return family


def published(name: str) -> Family | None:
    """The family of the models that are published as ``name``."""
    return next((family for family in FAMILIES.values() if name in family.published), None)


for _family in (LLAMA, SMOLLM3, QWEN2, QWEN3, PHI3, GEMMA, GEMMA2, GEMMA3, GRANITE, HYPERCLOVAX, GPT2, OLMO2, STABLELM):
    register(_family)
