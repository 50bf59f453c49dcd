"""Qwen 2 and 2.5: a Llama whose queries, keys and values have biases."""

from .family import Family

QWEN2 = Family("qwen2", ("Qwen2ForCausalLM",), biases=("attn_q", "attn_k", "attn_v"), halves=True)
