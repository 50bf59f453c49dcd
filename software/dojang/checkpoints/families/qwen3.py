"""Qwen 3: a Llama whose queries and keys are normalised, each head by itself."""

from ..rules import QKNorm
from .family import Family

QWEN3 = Family("qwen3", ("Qwen3ForCausalLM",), qk_norm=QKNorm.HEAD, halves=True)
