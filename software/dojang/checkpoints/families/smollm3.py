"""SmolLM3: a Llama in which every fourth layer is not rotated.

Published models may say which layers are; GGUF files of llama.cpp do not, and mean every fourth.
"""

from .family import Family

SMOLLM3 = Family("smollm3", ("SmolLM3ForCausalLM",), unrotated=4, keys={
    "attention.rope_pattern": "which layers are rotated: a list, or all but the last of so many; 4 without"})
