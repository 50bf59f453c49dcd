"""Gemma, the first: a Llama with GELU and a factor on the embedding."""

import math

from ..rules import Activation
from .family import Family

GEMMA = Family("gemma", ("GemmaForCausalLM",), activation=Activation.GELU_TANH, halves=True, gain_offset=1.0,
               rules=lambda source: {"embedding_scale": math.sqrt(source.d)}, factors="embedding rows times √d")
