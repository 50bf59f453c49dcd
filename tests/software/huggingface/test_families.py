"""For every family a folder as its publisher writes one: the description, and every tensor to the bit."""

import math

import numpy as np
import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Norm, QKNorm, Rotation, load
from dojang.checkpoints.families import FAMILIES

EPS = float(np.float32(1e-5))
ALL = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
QKV = ("attn_q", "attn_k", "attn_v")
SIZES = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
         "intermediate_size": 96, "vocab_size": 70, "max_position_embeddings": 256, "rms_norm_eps": 1e-5}


def shape(kinds=None, *, base=10000.0, **fields):
    fields = {"layers": 4, "d": 64, "heads": 4, "kv_heads": 2, "head_dim": 32, "key_dim": 16, "ffn": 96, "vocab": 70,
              "context": 256, "norm": Norm(EPS), "kinds": kinds or (LayerKind(Rotation(base)),), **fields}
    return ModelShape(**fields)


LAYER_NORM = Norm(EPS, centred=True, bias=True)
ROTATED, LOCAL = LayerKind(Rotation(1e6)), LayerKind(Rotation(1e4), 40)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
FACTORS = (1.0, 1.0) + (8.0,) * 6


def stretched(size, base, original):
    """By the publisher's own cases, a frequency at a time."""
    for index in range(size // 2):
        wave = 2 * math.pi * base ** (2 * index / size)
        if wave < original / 4:
            yield 1.0
        elif wave > original / 1:
            yield 8.0
        else:
            smooth = (original / wave - 1) / 3
            yield float(np.float32(1 / ((1 - smooth) / 8 + smooth)))


CASES = {
    "llama": ("LlamaForCausalLM", {**SIZES, "rope_scaling": LLAMA3, "rope_theta": 500.0},
              shape((LayerKind(Rotation(500.0, 16, tuple(stretched(16, 500.0, 64)))),))),
    "mistral": ("MistralForCausalLM", {**SIZES, "sliding_window": 100, "head_dim": 32},
                shape((LayerKind(Rotation(), 100),), key_dim=32)),
    "mobilellm": ("MobileLLMForCausalLM", {**SIZES, "share_embedding": True, "layer_sharing": False}, shape(tied=True)),
    "smollm3": ("SmolLM3ForCausalLM", {**SIZES, "rope_theta": 5e6, "no_rope_layers": [1, 0, 1, 1]},
                shape((LayerKind(Rotation(5e6)), LayerKind(None)), pattern=(0, 1, 0, 0), tied=True)),
    "smollm3 interval": ("SmolLM3ForCausalLM", {**SIZES, "no_rope_layer_interval": 2}, shape(
        (LayerKind(Rotation(2e6)), LayerKind(None)), pattern=(0, 1, 0, 1), tied=True)),
    "qwen2": ("Qwen2ForCausalLM", {**SIZES, "sliding_window": 100, "use_sliding_window": False,
                                   "max_window_layers": 2}, shape(biases=QKV)),
    "qwen2 window": ("Qwen2ForCausalLM", {**SIZES, "sliding_window": 100, "use_sliding_window": True,
                                          "max_window_layers": 3},
                     shape((LayerKind(), LayerKind(Rotation(), 100)), pattern=(0, 0, 0, 1), biases=QKV)),
    "qwen3": ("Qwen3ForCausalLM", {**SIZES, "head_dim": 32, "rope_theta": 1e6, "tie_word_embeddings": True},
              shape(base=1e6, key_dim=32, qk_norm=QKNorm.HEAD, tied=True)),
    "phi3": ("Phi3ForCausalLM", {
        **SIZES, "partial_rotary_factor": 0.75, "original_max_position_embeddings": 128, "rope_scaling": {
            "type": "longrope", "short_factor": [1.0, 1.5, 2, 2.5, 3, 3.5], "long_factor": [2.0, 3, 4, 5, 6, 7]}},
        shape((LayerKind(Rotation(10000.0, 12, (1.0, 1.5, 2.0, 2.5, 3.0, 3.5),
                                  float(np.float32(math.sqrt(1 + math.log(2) / math.log(128)))),
                                  (2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 128)),))),
    "gemma": ("GemmaForCausalLM", {**SIZES, "head_dim": 16}, shape(
        activation=Activation.GELU_TANH, embedding_scale=8.0, tied=True)),
    "gemma2": ("Gemma2ForCausalLM", {**SIZES, "head_dim": 16, "sliding_window": 100, "query_pre_attn_scalar": 64},
               shape((LayerKind(Rotation(), 100), LayerKind()), pattern=(0, 1, 0, 1), norms=ALL, tied=True,
                     activation=Activation.GELU_TANH, embedding_scale=8.0, score_scale=0.125, score_cap=50.0,
                     logit_cap=30.0)),
    "gemma3": ("Gemma3ForCausalLM", {**SIZES, "head_dim": 16, "sliding_window": 40, "query_pre_attn_scalar": 64,
                                     "sliding_window_pattern": 3, "rope_scaling": {"rope_type": "linear", "factor": 8}},
               shape((LOCAL, LayerKind(Rotation(1e6, 16, (8.0,) * 8))), pattern=(0, 0, 1, 0), norms=ALL, tied=True,
                     qk_norm=QKNorm.HEAD, activation=Activation.GELU_TANH, embedding_scale=8.0, score_scale=0.125)),
    "gemma3 layer types": ("Gemma3ForCausalLM", {
        **SIZES, "head_dim": 16, "sliding_window": 40, "query_pre_attn_scalar": 16,
        "layer_types": ["full_attention", "sliding_attention", "full_attention", "full_attention"], "rope_parameters": {
            "full_attention": {"rope_type": "default", "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}},
        shape((ROTATED, LOCAL), pattern=(0, 1, 0, 0), norms=ALL, tied=True, qk_norm=QKNorm.HEAD,
              activation=Activation.GELU_TANH, embedding_scale=8.0)),
    "granite": ("GraniteForCausalLM", {
        **SIZES, "embedding_multiplier": 12, "attention_multiplier": 0.0625, "residual_multiplier": 0.25,
        "logits_scaling": 8.0},
        shape(embedding_scale=12.0, score_scale=0.0625, residual_scale=0.25, logit_scale=0.125)),
    "hyperclovax": ("HyperCLOVAXForCausalLM", {
        **SIZES, "embedding_multiplier": 12, "residual_multiplier": 0.25, "logits_scaling": 0.125},
        shape(embedding_scale=12.0, residual_scale=0.25, logit_scale=0.125, norms=ALL)),
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 64, "n_layer": 4, "n_head": 4, "n_positions": 256, "n_ctx": 256,
                                 "vocab_size": 70, "activation_function": "gelu_new"},
             shape((LayerKind(None),), norm=LAYER_NORM, kv_heads=4, ffn=256, gated=False, learned_positions=True,
                   activation=Activation.GELU_TANH, biases=(*QKV, "attn_output", "ffn_up", "ffn_down"), tied=True)),
    "stablelm": ("StableLmForCausalLM", {**SIZES, "layer_norm_eps": 1e-5, "use_qkv_bias": True},
                 shape((LayerKind(Rotation(10000.0, 4)),), norm=LAYER_NORM, biases=QKV)),
    "olmo2": ("Olmo2ForCausalLM", SIZES, shape(norms=("post_attention_norm", "post_ffw_norm"), qk_norm=QKNorm.VECTOR)),
    "olmo3": ("Olmo3ForCausalLM", {**SIZES, "sliding_window": 40}, shape(
        (LayerKind(Rotation(5e5), 40), LayerKind(Rotation(5e5))), pattern=(0, 0, 0, 1), qk_norm=QKNorm.VECTOR,
        norms=("post_attention_norm", "post_ffw_norm"))),
}


@pytest.mark.parametrize("case", CASES)
def test_a_folder_is_its_description_and_its_weights(case, hub, tmp_path):
    architecture, config, expected = CASES[case]
    values = hub.random_values(expected)
    hub.write(tmp_path / case, {"architectures": [architecture], **config},
              hub.published(architecture, expected, values))
    checkpoint = load(tmp_path / case)
    assert checkpoint.shape == expected and checkpoint.name == case
    assert set(checkpoint.types) == set(values)
    for name, value in values.items():
        found = checkpoint.floats(name) if value.ndim == 2 else checkpoint.vector(name)
        assert found.dtype == np.float32 and np.array_equal(found, value), name
    assert np.array_equal(checkpoint.embedding[[3, 1]], values["token_embd.weight"][[3, 1]])


def test_every_family_has_a_case():
    assert {name for family in FAMILIES.values() for name in family.published} - {
        "Gemma3ForConditionalGeneration", "StableLMEpochForCausalLM"} == {case[0] for case in CASES.values()}
