"""Writers of folders as they are published: names, layouts and configs written down here by hand."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import save_file

INPUT, AFTER = "input_layernorm", "post_attention_layernorm"

LLAMA = {
    "token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj", "attn_norm": INPUT, "ffn_norm": AFTER, "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm"}
GEMMA = {**LLAMA, "post_attention_norm": AFTER, "ffn_norm": "pre_feedforward_layernorm",
         "post_ffw_norm": "post_feedforward_layernorm"}
GPT2 = {"token_embd": "transformer.wte", "position_embd": "transformer.wpe", "output_norm": "transformer.ln_f",
        "attn_qkv": "attn.c_attn", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj",
        "attn_norm": "ln_1", "ffn_norm": "ln_2"}
PHI3 = {**LLAMA, "attn_qkv": "self_attn.qkv_proj", "ffn_up": "mlp.gate_up_proj"}
NAMES = {"Gemma2ForCausalLM": GEMMA, "Gemma3ForCausalLM": GEMMA, "Olmo2ForCausalLM": GEMMA, "Olmo3ForCausalLM": GEMMA,
         "GPT2LMHeadModel": GPT2, "Phi3ForCausalLM": PHI3,
         "HyperCLOVAXForCausalLM": {**LLAMA, "post_attention_norm": "post_norm1", "post_ffw_norm": "post_norm2"}}
FUSED = {"Phi3ForCausalLM": {"attn_qkv": ("attn_q", "attn_k", "attn_v"), "ffn_up": ("ffn_gate", "ffn_up")},
         "GPT2LMHeadModel": {"attn_qkv": ("attn_q", "attn_k", "attn_v")}}


def to_halves(values, size, rotated):
    """Rows of heads of `size` elements: the pairs of the first `rotated` go half of these apart."""
    heads = values.reshape(-1, size, *values.shape[1:]).copy()
    pairs = heads[:, :rotated].copy()
    heads[:, :rotated // 2], heads[:, rotated // 2:rotated] = pairs[:, 0::2], pairs[:, 1::2]
    return heads.reshape(values.shape)


def random_values(shape, seed=0):
    """Weights of every tensor of a description, multiples of 2^-7 that BF16 and FP16 have."""
    rng = np.random.default_rng(seed)
    return {name: ((rng.integers(-64, 65, size) / 128) + (name.endswith("norm.weight"))).astype(np.float32)
            for name, size in shape.tensors().items()}


def published(architecture, shape, values):
    """The tensors of a checkpoint as its publisher has them."""
    names, out = NAMES.get(architecture, LLAMA), {}
    rotated = max((kind.rotation.dim for kind in shape.kinds if kind.rotation), default=0)

    def name_of(front, part, kind):
        if not front:
            return f"{names[part]}.{kind}"
        layers = "transformer.h" if architecture == "GPT2LMHeadModel" else "model.layers"
        return f"{layers}.{front.split('.')[1]}.{names[part]}.{kind}"

    parts = {}
    for name, array in values.items():
        front, part, kind = name.rpartition(".")[0].rpartition(".")[0], *name.split(".")[-2:]
        if part in ("attn_q", "attn_k", "attn_q_norm", "attn_k_norm") and rotated:
            array = to_halves(array, shape.key_dim, rotated)
        if architecture.startswith("Gemma") and name.endswith("norm.weight"):
            array = array - 1
        parts[front, part, kind] = array
    for whole, pieces in FUSED.get(architecture, {}).items():
        for front, kind in {(front, kind) for front, part, kind in parts if part in pieces}:
            arrays = [parts.pop((front, piece, kind)) for piece in pieces if (front, piece, kind) in parts]
            parts[front, whole, kind] = np.concatenate(arrays)
    for (front, part, kind), array in parts.items():
        if architecture == "GPT2LMHeadModel" and front and array.ndim == 2:
            array = array.T
        out[name_of(front, part, kind)] = np.ascontiguousarray(array)
    return out


def bfloat16(array):
    """Of numbers that BF16 has: its bits, under the name that the library wants."""
    import ml_dtypes
    return array.astype(ml_dtypes.bfloat16)


def write(path, config, tensors, parts=1, **documents):
    """A folder with those tensors in one file or several, and JSON documents by name without ``.json``."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    for name, content in documents.items():
        (path / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    names = sorted(tensors)
    if parts == 1:
        save_file(tensors, path / "model.safetensors")
        return path
    places = {name: f"model-{index % parts + 1:05d}-of-{parts:05d}.safetensors" for index, name in enumerate(names)}
    for place in sorted(set(places.values())):
        save_file({name: tensors[name] for name in names if places[name] == place}, path / place)
    index = {"metadata": {"total_size": sum(array.nbytes for array in tensors.values())}, "weight_map": places}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))
    return path


@pytest.fixture(scope="session")
def hub():
    """``random_values``, ``published``, ``bfloat16``, ``write``."""
    return SimpleNamespace(random_values=random_values, published=published, bfloat16=bfloat16, write=write)
