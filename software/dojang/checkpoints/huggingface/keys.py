"""What is made of the keys of a config: one that changes the numbers is honoured or refused, never ignored.

Keys are named as `config.Config` has them.
"""

import json
from typing import Any

from ..errors import UnsupportedError, named, shown
from .config import SPELLINGS, Config

__all__ = ["HARMLESS", "HONOURED", "REFUSED", "check_config", "document", "gguf_keys", "knows", "tied"]

SIZES = {
    "num_hidden_layers": "block_count", "max_position_embeddings": "context_length", "hidden_size": "embedding_length",
    "num_attention_heads": "attention.head_count", "vocab_size": "vocab_size",
}

NUMBERS = {
    "rms_norm_eps": "attention.layer_norm_rms_epsilon", "layer_norm_eps": "attention.layer_norm_epsilon",
    "attention_multiplier": "attention.scale", "embedding_multiplier": "embedding_scale",
    "residual_multiplier": "residual_scale", "logits_scaling": "logit_scale", "clip_qkv": "attention.clamp_kqv",
}
"""Left out where they are null."""

CAPS = {"attn_logit_softcapping": "attn_logit_softcapping", "final_logit_softcapping": "final_logit_softcapping"}
"""0 where they are null."""

ACTIVATIONS = ("hidden_activation", "activation_function", "hidden_act")
"""Names of the activation; the first of them counts that the class knows."""

HONOURED = {
    "sizes": (*SIZES, "intermediate_size", "num_key_value_heads", "head_dim"),
    "added to the mean square by the norms": ("rms_norm_eps", "layer_norm_eps"),
    "factors of embedding, scores, what a layer adds, and logits": (
        "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling"),
    "the scores are divided by its root": ("query_pre_attn_scalar",),
    "caps of scores and logits": tuple(CAPS),
    "must be the family's activation": ACTIVATIONS,
    "positions that layers see, and which layers": (
        "sliding_window", "use_sliding_window", "max_window_layers", "sliding_window_pattern", "layer_types"),
    "rotary embedding": ("rope_theta", "rope_scaling", "rope_parameters", "partial_rotary_factor",
                         "original_max_position_embeddings", "rope_local_base_freq"),
    "which layers are rotated": ("no_rope_layers", "no_rope_layer_interval"),
    "the head is the embedding": ("tie_word_embeddings", "share_embedding"),
    "must say whether there are such tensors": ("attention_bias", "use_qkv_bias", "mlp_bias", "use_post_norm"),
}
"""By what is made of them."""

NONE = (None, False, 0)
"""Neutral values, by custom."""

REFUSED: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "mixtures of experts are": (NONE, (
        "num_experts", "num_local_experts", "n_routed_experts", "num_experts_per_tok", "moe_intermediate_size")),
    "clamping of queries, keys and values is": (NONE, ("clip_qkv",)),
    "layers that share weights are": (NONE, ("layer_sharing", "num_kv_shared_layers")),
    "attention that is not causal is": (NONE, ("use_bidirectional_attention",)),
    "parallel residuals are": (NONE, ("use_parallel_residual", "parallel_attn")),
    "a LayerNorm of queries and keys is": (NONE, ("qk_layernorm",)),
    "scores that are scaled by layer are": (NONE, ("scale_attn_by_inverse_layer_idx",)),
    "scores without scaling are": ((True, None), ("scale_attn_weights",)),
    "attention over another model's states is": (NONE, ("add_cross_attention", "is_encoder_decoder")),
    "rotary pairs of adjacent elements are": (NONE, ("rope_interleaved",)),
    "attention of other kinds is": (NONE, ("alibi", "q_lora_rank", "kv_lora_rank", "num_nextn_predict_layers",
                                           "attn_output_gate")),
    "pruned heads are": ((None, {}), ("pruned_heads",)),
}
"""By what is not supported: the values that leave the numbers as they are, and the keys."""

HARMLESS = {
    "names and versions": (
        "architectures", "model_type", "transformers_version", "torch_dtype", "dtype", "auto_map", "_name_or_path",
        "transformers.js_config", "unsloth_fixed", "unsloth_version", "name_or_path", "model_name"),
    "of training": (
        "attention_dropout", "hidden_dropout", "attn_pdrop", "embd_pdrop", "resid_pdrop", "initializer_range",
        "use_cache", "pretraining_tp", "gradient_checkpointing", "embedding_dropout", "residual_dropout",
        "summary_type", "summary_use_proj", "summary_activation", "summary_proj_to_labels", "summary_first_dropout",
        "summary_hidden_size"),
    "of how it is computed elsewhere": (
        "_attn_implementation", "attn_implementation", "_attn_implementation_autoset", "_flash_attn_2_enabled",
        "use_flash_attention_2", "cache_implementation", "reorder_and_upcast_attn", "is_llama_config", "torchscript",
        "use_bfloat16", "chunk_size_feed_forward", "output_attentions", "output_hidden_states", "return_dict",
        "return_dict_in_generate", "rope_finetuned", "_sliding_window_pattern"),
    "of the tokenizer and of generation": (
        "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "decoder_start_token_id", "do_sample",
        "temperature", "top_k", "top_p", "max_length", "min_length", "repetition_penalty", "tokenizer_class", "prefix",
        "num_beams", "suppress_tokens", "begin_suppress_tokens", "task_specific_params", "boi_token_index",
        "eoi_token_index", "image_token_index"),
    "of other tasks": ("id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "is_decoder"),
}
"""By why they change nothing."""

TYPES = {"full_attention": False, "sliding_attention": True}
"""Kinds of layers in ``layer_types``: whether they have a window."""

OF_CLASSES = ("sliding_window", "rope_local_base_freq", "attention_bias", "mlp_bias", "use_qkv_bias", "use_post_norm")
"""Keys that mean nothing to a class that does not have them."""

KNOWN = {key for keys in (*HONOURED.values(), *HARMLESS.values()) for key in keys}
NEUTRAL = {key: (neutral, what) for what, (neutral, keys) in REFUSED.items() for key in keys}

NAMED = 5
"""Unknown keys that a message names."""

QUANTISED = "quantization_config"


def check_config(config: Config) -> list[str]:
    """Refuse values that would change the numbers in a way that is not supported.

    Returns
    -------
    A sentence that names unknown keys, if there are any; they are ignored.

    Raises
    ------
    UnsupportedError: there is such a value; the message names it.
    """
    for values in (config.outer, config.given):
        if values.get(QUANTISED):
            method = values[QUANTISED].get("quant_method") if isinstance(values[QUANTISED], dict) else None
            raise UnsupportedError(f"{config.path}: weights that are quantised by {shown(method or 'some method')} are "
                                   "not supported, expected floats, or a GGUF file")
    unknown = []
    for key, value in config.values.items():
        if key in NEUTRAL:
            neutral, what = NEUTRAL[key]
            if value not in neutral:
                raise config.unsupported(what, key, " or ".join(map(json.dumps, neutral)))
        elif value is not None and (key not in KNOWN or not knows(config, key)):
            unknown.append(named(key))
    if not unknown:
        return []
    more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    return [f"keys of config.json that are not known, and may change the model, are ignored: "
            f"{', '.join(unknown[:NAMED])}{more}"]


def gguf_keys(config: Config) -> dict[str, Any]:
    """GGUF's keys without the architecture's name in front, but for those of the rotary embedding.

    Raises
    ------
    CheckpointError: a value is missing or cannot be.
    """
    keys: dict[str, Any] = {key: config.whole(name) for name, key in SIZES.items()}
    layers, heads, d = keys["block_count"], keys["attention.head_count"], keys["embedding_length"]
    if min(layers, heads, d) < 1:
        name = next(name for name, key in SIZES.items() if keys[key] < 1)
        raise config.wrong(name, "a positive integer")
    ffn, kv_heads, key_dim = (config.whole(name) if config.get(name) is not None else usual for name, usual in (
        ("intermediate_size", 4 * d), ("num_key_value_heads", heads), ("head_dim", d // heads)))
    keys |= {"feed_forward_length": ffn, "attention.head_count_kv": kv_heads, "attention.key_length": key_dim,
             "attention.value_length": key_dim}
    keys |= {key: config.number(name) for name, key in NUMBERS.items() if config.get(name) is not None}
    keys |= {key: config.number(name) if config.get(name) is not None else 0.0 for name, key in CAPS.items()
             if name in config.values}
    if config.get("query_pre_attn_scalar") is not None:
        divisor = config.number("query_pre_attn_scalar")
        if divisor <= 0:
            raise config.wrong("query_pre_attn_scalar", "a positive number")
        keys["attention.scale"] = divisor ** -0.5
    activation = next((name for name in ACTIVATIONS if config.values.get(name) is not None), None)
    if activation is not None:
        if not isinstance(config.get(activation), str):
            raise config.wrong(activation, "a name")
        keys["hidden_activation"] = config.get(activation)
    if config.get("no_rope_layers") is not None or "no_rope_layer_interval" in config.values:
        keys["attention.rope_pattern"] = _rotated(config, layers)
    return {**keys, **_windows(config, layers)}


def tied(config: Config) -> bool:
    """The head is the embedding."""
    return config.flag("tie_word_embeddings") or config.flag("share_embedding")


def knows(config: Config, key: str) -> bool:
    """Whether the class of the model has that key; one that is not known here may have any."""
    return key not in OF_CLASSES or not config.published.defaults or key in config.published.defaults


def _windows(config: Config, layers: int) -> dict[str, Any]:
    if "sliding_window" not in config.values or not knows(config, "sliding_window"):
        return {}
    used = config.flag("use_sliding_window") if "use_sliding_window" in config.values else True
    window = config.whole("sliding_window") if used and config.get("sliding_window") is not None else 0
    if window < 0:
        raise config.wrong("sliding_window", "a number of positions, or null for none")
    if window == 0:
        return {"attention.sliding_window": 0}
    return {"attention.sliding_window": window, "attention.sliding_window_pattern": _pattern(config, layers)}


def _pattern(config: Config, layers: int) -> list[bool]:
    """Which layers have the window."""
    types = config.get("layer_types")
    if types is None:
        for key, least in (("max_window_layers", 0), ("sliding_window_pattern", 1)):
            if key in config.values and config.whole(key) < least:
                raise config.wrong(key, f"an integer of at least {least}")
        values = {**config.values, "no_rope_layers": _rotated(config, layers)}
        return [config.published.windowed(layer, values) for layer in range(layers)]
    if not isinstance(types, list) or len(types) != layers or not all(
            isinstance(kind, str) and kind in TYPES for kind in types):
        raise config.wrong("layer_types", f"for each of {layers} layers one of {', '.join(TYPES)}")
    return [TYPES[kind] for kind in types]


def _rotated(config: Config, layers: int) -> list[bool]:
    """Which layers are rotated."""
    flags = config.get("no_rope_layers")
    if flags is None:
        step = config.whole("no_rope_layer_interval") if "no_rope_layer_interval" in config.values else layers + 1
        if step < 1:
            raise config.wrong("no_rope_layer_interval", "a positive integer")
        return [(layer + 1) % step != 0 for layer in range(layers)]
    if not isinstance(flags, list) or len(flags) < layers or not all(flag in (0, 1) for flag in flags):
        raise config.wrong("no_rope_layers", f"0 or 1 for each of {layers} layers")
    return [flag == 1 for flag in flags[:layers]]


def document() -> str:
    """The tables of all keys, as Markdown."""

    def names(keys: tuple[str, ...]) -> str:
        return ", ".join(f"`{key}`" for key in keys)

    lines = ["| honoured | keys |", "|---|---|", *(f"| {use} | {names(keys)} |" for use, keys in HONOURED.items())]
    lines += ["", "| refused unless neutral | neutral | keys |", "|---|---|---|"]
    lines += [f"| {what.rpartition(' ')[0]} | {' or '.join(map(json.dumps, neutral))} | {names(keys)} |"
              for what, (neutral, keys) in REFUSED.items()]
    lines += ["", "| without effect | keys |", "|---|---|", *(f"| {why} | {names(keys)} |" for why, keys
                                                              in HARMLESS.items())]
    spelled = [f"`{name}` for `{usual}`" for name, usual in SPELLINGS.items()]
    return "\n".join([*lines, "", f"Other names: {', '.join(spelled)}."])
