"""Llama 1 to 3.3, and what is built alike: Mistral, SmolLM2, Yi, TinyLlama, MobileLLM.

A bias counts where its tensor is (some of Yi's and MobileLLM's relatives have them), a sliding window where its key is
(the first Mistral): llama.cpp knows the former and ignores the latter, which shows behind the window only.
"""

from .family import Family

LLAMA = Family("llama", ("LlamaForCausalLM", "MistralForCausalLM", "MobileLLMForCausalLM"))
