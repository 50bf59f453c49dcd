"""Keys of all architectures: one that changes the numbers is honoured or refused, never ignored.

The names are those of `gguf.constants.Keys` and of llama.cpp, without the architecture in front.
"""

from typing import Any

from ..errors import UnsupportedError, named, shown
from ..families import FAMILIES, Family
from ..keyed_file import KeyedFile
from ..rules import Activation

__all__ = ["HARMLESS", "HONOURED", "OTHERS", "REFUSED", "check_keys", "document"]

HONOURED = {
    "sizes": ("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count",
              "attention.head_count_kv", "attention.key_length", "attention.value_length"),
    "must be the rows of the embedding": ("vocab_size",),
    "must be `embedding_length`": ("embedding_length_out",),
    "positions that layers see, 0 for all, and which layers: a list, or all but the last of so many": (
        "attention.sliding_window", "attention.sliding_window_pattern"),
    "added to the mean square by the norms: the former for RMSNorm, the latter for LayerNorm": (
        "attention.layer_norm_rms_epsilon", "attention.layer_norm_epsilon"),
    "scale of the scores in place of 1 / √key length, if not 0": ("attention.scale",),
    "rotary embedding": (
        "rope.dimension_count", "rope.freq_base", "rope.scale_linear", "rope.scaling.type", "rope.scaling.factor",
        "rope.scaling.attn_factor", "rope.scaling.original_context_length", "rope.scaling.yarn_ext_factor",
        "rope.scaling.yarn_attn_factor", "rope.scaling.yarn_beta_fast", "rope.scaling.yarn_beta_slow",
        "rope.scaling.yarn_log_multiplier"),
}
"""By what is made of them."""

HARMLESS = {
    "of GroupNorm, which no family has": ("attention.group_norm_epsilon", "attention.group_norm_groups"),
    "says where the scaling comes from": ("rope.scaling.finetuned",),
}
"""By why they change nothing."""

ZERO = (0, False)
"""Neutral values, by custom."""

EXPERTS = ("count", "used_count", "shared_count", "group_count", "group_used_count", "group_scale", "latent_length",
           "feed_forward_length", "shared_feed_forward_length", "chunk_feed_forward_length", "weights_scale",
           "weights_norm", "gating_func")

ACTIVATION = "hidden_activation"

ACTIVATIONS = {Activation.SILU: ("silu", "swish"), Activation.GELU_TANH: ("gelu_pytorch_tanh", "gelu_new", "gelu_tanh"),
               Activation.GELU_ERF: ("gelu",)}
"""Values of `ACTIVATION`, by what they stand for."""

REFUSED: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]] = {
    "mixtures of experts are": (ZERO, (
        *(f"expert_{name}" for name in EXPERTS), "experts_per_group", "moe_every_n_layers", "moe_latent_size",
        "interleave_moe_layer_step", "leading_dense_block_count", "router_logit_softcapping")),
    "attention that is not causal is": ((True,), ("attention.causal",)),
    "scaling of embeddings, residuals, logits or attention's parts is": ((1, 0), (
        "embedding_scale", "residual_scale", "logit_scale", "attention.output_scale", "attention.value_scale")),
    "capping of scores or logits is": (ZERO, ("attn_logit_softcapping", "final_logit_softcapping")),
    "clamping of queries, keys and values is": (ZERO, ("attention.clamp_kqv",)),
    "a temperature by position is": (ZERO, ("attention.temperature_length", "attention.temperature_scale")),
    "ALiBi is": (ZERO, ("attention.max_alibi_bias",)),
    "another base of the rotary angles by context is": ((1, 0), ("rope.scaling.alpha",)),
    "rotary embedding in sections or of some layers is": (ZERO, ("rope.dimension_sections", "attention.rope_pattern")),
    "layers with a window of other sizes are": (ZERO, (
        "attention.key_length_swa", "attention.value_length_swa", "rope.dimension_count_swa", "rope.freq_base_swa",
        "attention.key_length_mla_swa", "attention.value_length_mla_swa", "attention.kv_lora_rank_swa")),
    "parallel residuals are": (ZERO, ("use_parallel_residual",)),
    "another order of the weights is": (("Meta AI original pth", "reference"), ("tensor_data_layout",)),
    "another activation than the family's is": (
        tuple(name for names in ACTIVATIONS.values() for name in names), (ACTIVATION,)),
    "pooling, of a model that gives no logits, is": (ZERO, ("pooling_type", "classifier.pooling_type")),
    "classifiers are": (ZERO, ("classifier.output_labels",)),
    "encoders with a decoder are": (ZERO, ("decoder_start_token_id", "decoder_block_count")),
    "layers that predict further tokens are": (ZERO, ("nextn_predict_layers",)),
    "attention with projected keys and values is": (ZERO, (
        "attention.key_length_mla", "attention.value_length_mla", "attention.q_lora_rank", "attention.kv_lora_rank")),
    "other kinds of attention are": (ZERO, (
        "attention.decay_lora_rank", "attention.iclr_lora_rank", "attention.value_residual_mix_lora_rank",
        "attention.gate_lora_rank", "attention.relative_buckets_count", "attention.shared_kv_layers",
        "attention.recurrent_layers", "attention.indexer.", "attention.output_group_count",
        "attention.output_lora_rank", "attention.compress_ratios", "attention.compress_rope_freq_base",
        "full_attention_interval", "attn_res.")),
    "parts of other architectures are": (ZERO, (
        "activation.", "activation_sparsity_scale", "adapters.", "altup.", "block_size", "conv_group_size",
        "conv_kernel_size", "convnext.", "deepstack_mapping", "dense_2_", "dense_3_",
        "embedding_length_per_layer_input", "features_length", "hash_layer_count", "hrm.", "hyper_connection.", "kda.",
        "n_deepstack_layers", "norm_before_fc", "norm_before_residual", "num_loops", "ple.", "posnet.",
        "rescale_every_n_layers", "selector_rank", "selector_top_k", "shortconv.", "skip_loop_final_norm", "ssm.",
        "swiglu_clamp_exp", "swiglu_clamp_shexp", "swin_norm", "target_hidden_size", "target_layers",
        "time_decay_extra_dim", "time_mix_extra_dim", "token_shift_count", "wkv.")),
}
"""By what is not supported: the values that leave the numbers as they are, and the keys; ``ssm.`` is every key that
begins so.
"""

OTHERS: dict[str, tuple[tuple[Any, ...], str]] = {
    "general.type": (("model",), "files that are no models, such as adapters, are"),
    "general.quantization_version": ((2,), "older layouts of quantised blocks are"),
}
"""Keys of every architecture: values that are supported, and what others stand for."""

KNOWN = {key for keys in (*HONOURED.values(), *HARMLESS.values()) for key in keys}
NEUTRAL = {key: (neutral, what) for what, (neutral, keys) in REFUSED.items() for key in keys}
GROUPS = tuple(key for key in NEUTRAL if key.endswith((".", "_")))

NAMED = 5
"""Unknown keys that a message names."""


def check_keys(file: KeyedFile, family: Family) -> list[str]:
    """Refuse keys whose values would change the numbers in a way that is not supported.

    Returns
    -------
    A sentence that names unknown keys of the architecture, if there are any; they are ignored.

    Raises
    ------
    UnsupportedError: there is such a key; the message names it and its value.
    """
    prefix, unknown, known = f"{family.name}.", [], KNOWN | family.keys.keys()
    neutral = NEUTRAL | {ACTIVATION: (ACTIVATIONS[family.activation], NEUTRAL[ACTIVATION][1])}
    for key in file.fields:
        name = key.removeprefix(prefix)
        if key in OTHERS:
            _require(file, key, *OTHERS[key])
        if not key.startswith(prefix) or name in known:
            continue
        group = name if name in neutral else next(filter(name.startswith, GROUPS), None)
        if group is not None:
            _require(file, key, *neutral[group])
        else:
            unknown.append(named(key))
    if not unknown:
        return []
    more = f" and {len(unknown) - NAMED} more" if len(unknown) > NAMED else ""
    return [f"keys that are not known, and may change the model, are ignored: {', '.join(unknown[:NAMED])}{more}"]


def _require(file: KeyedFile, key: str, neutral: tuple[Any, ...], what: str) -> None:
    value = file.field(key)
    for item in value if isinstance(value, list) else [value]:
        if not any(item == other and isinstance(item, bool) == isinstance(other, bool) for other in neutral):
            raise UnsupportedError(f"{file.path}: {what} not supported: key {named(key)} is {shown(value)}, "
                                   f"expected {_either(neutral)}")


def _either(values: tuple[Any, ...]) -> str:
    return " or ".join(shown(value) for value in values if value is not False or values == (False,))


def document() -> str:
    """The tables of all keys, as Markdown."""

    def names(keys: tuple[str, ...]) -> str:
        return ", ".join(f"`{key}…`" if key in GROUPS else f"`{key}`" for key in keys)

    lines = ["| honoured | keys |", "|---|---|"]
    lines += [f"| {use} | {names(keys)} |" for use, keys in HONOURED.items()]
    lines += ["", "| refused unless neutral | neutral | keys |", "|---|---|---|"]
    lines += [f"| {what.rpartition(' ')[0]} | {_either(neutral)} | {names(keys)} |"
              for what, (neutral, keys) in REFUSED.items()]
    lines += [f"| {what.rpartition(' ')[0]} | {_either(neutral)} | `{key}`, of any architecture |"
              for key, (neutral, what) in OTHERS.items()]
    lines += ["", "| without effect | keys |", "|---|---|"]
    lines += [f"| {why} | {names(keys)} |" for why, keys in HARMLESS.items()]
    lines += ["", "| family | honoured beyond these | |", "|---|---|---|"]
    lines += [f"| {family.name} | `{key}` | {use} |" for family in FAMILIES.values()
              for key, use in family.keys.items()]
    return "\n".join(lines)
