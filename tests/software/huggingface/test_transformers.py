"""The library `transformers`, whose folders these are: what it computes, and what its configs leave out."""

import json

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.checkpoints.huggingface.config import Config
from dojang.checkpoints.huggingface.keys import check_config, gguf_keys
from dojang.checkpoints.huggingface.published import PUBLISHED

from ...sim.golden.reference_model import reference_logits

transformers = pytest.importorskip("transformers")

SIZES = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2,
         "intermediate_size": 96, "vocab_size": 70, "max_position_embeddings": 256, "pad_token_id": 0,
         "bos_token_id": 1, "eos_token_id": 2}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 1e4}
LENGTH = 90

CASES = {
    "llama": ("Llama", {"rope_parameters": {
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 500.0,
        "original_max_position_embeddings": 64}, "attention_bias": True, "mlp_bias": True}),
    "llama yarn": ("Llama", {"rope_parameters": YARN}),
    "llama yarn attention factor": ("Llama", {"rope_parameters": {**YARN, "attention_factor": 1.25, "beta_fast": 16}}),
    "llama linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}}),
    "mistral": ("Mistral", {"sliding_window": 40}),
    "smollm3": ("SmolLM3", {}),
    "qwen2": ("Qwen2", {"use_sliding_window": True, "max_window_layers": 2, "sliding_window": 40}),
    "qwen2 no window": ("Qwen2", {"sliding_window": 40}),
    "qwen3": ("Qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "phi3": ("Phi3", {"sliding_window": 50}),
    "phi3 longrope": ("Phi3", {
        "original_max_position_embeddings": 64, "rope_parameters": {
            "rope_type": "longrope", "rope_theta": 1e4, "partial_rotary_factor": 0.75,
            "short_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5], "long_factor": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0]}}),
    "gemma": ("Gemma", {"head_dim": 32}),
    "gemma2": ("Gemma2", {"head_dim": 32, "sliding_window": 40, "query_pre_attn_scalar": 64,
                          "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}),
    "gemma3": ("Gemma3", {"head_dim": 32, "sliding_window": 40, "query_pre_attn_scalar": 64, "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}, "layer_types": [
            "sliding_attention", "full_attention", "sliding_attention", "sliding_attention"]}),
    "granite": ("Granite", {"embedding_multiplier": 12.0, "attention_multiplier": 0.0625, "residual_multiplier": 0.25,
                            "logits_scaling": 8.0}),
    "hyperclovax": ("HyperCLOVAX", {
        "embedding_multiplier": 12.0, "residual_multiplier": 0.25, "logits_scaling": 0.125}),
    "hyperclovax without norms after": ("HyperCLOVAX", {"use_post_norm": False, "attention_multiplier": 0.1}),
    "gpt2": ("GPT2", {}),
    "stablelm": ("StableLm", {"use_qkv_bias": True}),
    "olmo2": ("Olmo2", {}),
    "olmo3": ("Olmo3", {"sliding_window": 40}),
}


def classes(name):
    config = getattr(transformers, f"{name}TextConfig" if name == "Gemma3" else f"{name}Config")
    return config, getattr(transformers, "GPT2LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM", None)


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_logits_of_a_folder_are_those_of_the_library(case, tmp_path):
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    name, changes = CASES[case]
    config_class, model_class = classes(name)
    sizes = {key: value for key, value in SIZES.items() if name != "GPT2" or key in config_class().to_dict()
             or key in config_class.attribute_map}
    model = model_class(config_class(**sizes, initializer_range=0.15, **changes)).eval()
    with torch.no_grad():
        for values in model.parameters():  # gains and biases too
            if values.ndim == 1:
                values += 0.2 * torch.randn_like(values)
    model.save_pretrained(tmp_path / "model")
    checkpoint = load(tmp_path / "model")
    values = {tensor: checkpoint.floats(tensor) if len(size) == 2 and tensor != "position_embd.weight" else
              checkpoint.positions[:] if len(size) == 2 else checkpoint.vector(tensor)
              for tensor, size in checkpoint.shape.tensors().items()}
    ids = np.random.default_rng(0).integers(0, 70, LENGTH)
    with torch.no_grad():
        expected = model(torch.tensor(ids)[None]).logits[0].double().numpy()
    found = reference_logits(checkpoint.shape.at(LENGTH), {key: array.astype(np.float64)
                                                           for key, array in values.items()}, ids)
    assert np.abs(found - expected).max() < 1e-4 * expected.std()


ROTARY = ("rope_theta", "partial_rotary_factor", "rope_local_base_freq")


def _default(library, key):
    """What a config of the library has for a key, under this project's name for it."""
    parameters = getattr(library, "rope_parameters", None) or {}
    if key == "rope_local_base_freq":
        return parameters["sliding_attention"]["rope_theta"]
    if key in ROTARY:
        return parameters.get("full_attention", parameters)[key]
    if key == "layer_norm_eps":
        return getattr(library, "layer_norm_eps", getattr(library, "layer_norm_epsilon", None))
    return getattr(library, "n_inner" if library.model_type == "gpt2" and key == "intermediate_size" else key, None)


@pytest.mark.oracle
@pytest.mark.parametrize("architecture", [name for name in PUBLISHED if name != "MobileLLMForCausalLM"])
def test_what_a_config_leaves_out_is_understood_as_by_the_library(architecture, tmp_path):
    name = architecture.removesuffix("ForCausalLM").removesuffix("LMHeadModel").removesuffix("ForConditionalGeneration")
    library = classes(name)[0]()
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [architecture]}))
    config = Config(tmp_path / "config.json")
    for key, value in config.published.defaults.items():
        if key not in ("sliding_window", "sliding_window_pattern", "attention_multiplier", "no_rope_layers", "head_dim",
                       "num_key_value_heads"):
            assert _default(library, key) == value, key
    keys = gguf_keys(config)
    heads, d = library.num_attention_heads, library.hidden_size
    assert keys["attention.key_length"] == (getattr(library, "head_dim", None) or d // heads)
    assert keys["attention.head_count_kv"] == (getattr(library, "num_key_value_heads", None) or heads)
    wide = getattr(library, "sliding_window", None)
    assert keys.get("attention.sliding_window", 0) == (wide or 0)
    types = getattr(library, "layer_types", None)
    assert not wide or keys["attention.sliding_window_pattern"] == [
        types is None or types[layer] == "sliding_attention" for layer in range(library.num_hidden_layers)]
    assert keys.get("attention.rope_pattern") == (
        list(map(bool, library.no_rope_layers)) if hasattr(library, "no_rope_layers") else None)
    scale = getattr(library, "attention_multiplier", getattr(library, "query_pre_attn_scalar", d // heads) ** -0.5)
    told = hasattr(library, "attention_multiplier") or hasattr(library, "query_pre_attn_scalar")
    assert not told or keys.get("attention.scale", keys["attention.key_length"] ** -0.5) == scale


@pytest.mark.oracle
@pytest.mark.parametrize("case", CASES)
def test_no_key_of_the_librarys_own_configs_is_unknown(case, tmp_path):
    name, changes = CASES[case]
    config = classes(name)[0](**{} if name == "GPT2" else SIZES, **changes)
    config.architectures = ["GPT2LMHeadModel" if name == "GPT2" else f"{name}ForCausalLM"]
    config.save_pretrained(tmp_path)
    assert check_config(Config(tmp_path / "config.json")) == []
