"""How models are published: what a ``config.json`` means by what it leaves out, by the name in its ``architectures``.

Values are those that the library `transformers` has for the class (its release 5.24).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = ["PUBLISHED", "Published"]

Windowed = Callable[[int, Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Published:
    """What distinguishes one kind of folder.

    Parameters
    ----------
    defaults: values of keys that a config may leave out.
    windowed: whether the layer of an index has the sliding window, by the values of the config, if there is one and no
        ``layer_types``.
    rotary: positions are rotary; learned ones are a tensor.
    columns_first: matrices that are stored transposed, by their names in GGUF.
    names: parts of tensor names that GGUF's map does not have, and what stands for them there.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    windowed: Windowed = lambda layer, values: True
    rotary: bool = True
    columns_first: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)

    def changed(self, windowed: Windowed | None = None, **defaults: Any) -> "Published":
        """The same with other defaults; ``None`` in place of one takes none away."""
        return replace(self, defaults={**self.defaults, **defaults}, windowed=windowed or self.windowed)


def _every(step: int) -> Windowed:
    """All layers but every ``step``-th."""
    return lambda layer, values: (layer + 1) % step != 0


def _from_layer(layer: int, values: Mapping[str, Any]) -> bool:
    return layer >= values["max_window_layers"]


def _by_pattern(layer: int, values: Mapping[str, Any]) -> bool:
    return (layer + 1) % values["sliding_window_pattern"] != 0


def _without_rotary(layer: int, values: Mapping[str, Any]) -> bool:
    return not values["no_rope_layers"][layer]


LLAMA = Published({
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": None, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "rope_theta": 10000.0,
    "attention_bias": False, "mlp_bias": False})

MISTRAL = Published({
    "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "rope_theta": 10000.0,
    "sliding_window": 4096})

SMOLLM3 = Published({
    "vocab_size": 128256, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36,
    "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "rope_theta": 2000000.0,
    "attention_bias": False, "mlp_bias": False, "use_sliding_window": False, "sliding_window": None,
    "no_rope_layers": None, "no_rope_layer_interval": 4}, _without_rotary)

QWEN2 = Published({
    "vocab_size": 151936, "hidden_size": 4096, "intermediate_size": 22016, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "rope_theta": 10000.0,
    "use_sliding_window": False, "sliding_window": 4096, "max_window_layers": 28}, _from_layer)

PHI3 = Published({
    "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": None, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 4096, "original_max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
    "tie_word_embeddings": False, "rope_theta": 10000.0, "partial_rotary_factor": 1.0, "sliding_window": None})

GEMMA = Published({
    "vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
    "num_attention_heads": 16, "num_key_value_heads": 16, "head_dim": 256, "hidden_act": "gelu_pytorch_tanh",
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "rope_theta": 10000.0,
    "attention_bias": False, "use_bidirectional_attention": None})

GEMMA2 = Published({
    "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "hidden_activation": "gelu_pytorch_tanh",
    "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "rope_theta": 10000.0,
    "attention_bias": False, "query_pre_attn_scalar": 256, "sliding_window": 4096, "final_logit_softcapping": 30.0,
    "attn_logit_softcapping": 50.0, "use_bidirectional_attention": None}, _every(2))

GEMMA3 = GEMMA2.changed(
    _by_pattern, vocab_size=262208, max_position_embeddings=131072, rope_theta=1000000.0, rope_local_base_freq=10000.0,
    final_logit_softcapping=None, attn_logit_softcapping=None, sliding_window_pattern=6,
    use_bidirectional_attention=False)

GRANITE = LLAMA.changed(embedding_multiplier=1.0, logits_scaling=1.0, residual_multiplier=1.0, attention_multiplier=1.0)

OLMO2 = Published({
    "vocab_size": 50304, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": None, "head_dim": None, "hidden_act": "silu",
    "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "tie_word_embeddings": False, "rope_theta": 10000.0,
    "attention_bias": False})

GPT2 = Published({
    "vocab_size": 50257, "hidden_size": 768, "intermediate_size": None, "num_hidden_layers": 12,
    "num_attention_heads": 12, "activation_function": "gelu_new", "max_position_embeddings": 1024,
    "layer_norm_eps": 1e-5, "tie_word_embeddings": True, "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}, rotary=False,
    columns_first=("attn_qkv", "attn_output", "ffn_up", "ffn_down"))

STABLELM = Published({
    "vocab_size": 50304, "hidden_size": 2560, "intermediate_size": 6912, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "hidden_act": "silu", "max_position_embeddings": 4096,
    "layer_norm_eps": 1e-5, "tie_word_embeddings": False, "rope_theta": 10000.0, "partial_rotary_factor": 0.25,
    "use_qkv_bias": False, "qk_layernorm": False, "use_parallel_residual": False})

PUBLISHED: dict[str, Published] = {
    "LlamaForCausalLM": LLAMA,
    "MistralForCausalLM": MISTRAL,
    "MobileLLMForCausalLM": LLAMA.changed(share_embedding=False, layer_sharing=False),
    "SmolLM3ForCausalLM": SMOLLM3,
    "Qwen2ForCausalLM": QWEN2,
    "Qwen3ForCausalLM": QWEN2.changed(head_dim=128, attention_bias=False),
    "Phi3ForCausalLM": PHI3,
    "GemmaForCausalLM": GEMMA,
    "Gemma2ForCausalLM": GEMMA2,
    "Gemma3ForCausalLM": GEMMA3,
    "Gemma3ForConditionalGeneration": GEMMA3,
    "GraniteForCausalLM": GRANITE,
    "HyperCLOVAXForCausalLM": replace(
        GRANITE.changed(attention_multiplier=None, use_post_norm=True),
        names={"post_norm1": "post_attention_norm", "post_norm2": "post_ffw_norm"}),
    "GPT2LMHeadModel": GPT2,
    "StableLmForCausalLM": STABLELM,
    "Olmo2ForCausalLM": OLMO2,
    "Olmo3ForCausalLM": OLMO2.changed(_every(4), rope_theta=500000.0, sliding_window=4096),
}
"""By the name in ``architectures``."""
