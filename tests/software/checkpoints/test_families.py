"""Families: the description that each one's files give, literally; what is honoured, refused, missing and surplus."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from dojang.checkpoints import (
    Activation,
    CheckpointError,
    GGUFFile,
    LayerKind,
    ModelShape,
    Norm,
    QKNorm,
    Rotation,
    UnsupportedError,
    load,
)
from dojang.checkpoints.families import FAMILIES, Family, published, register
from dojang.checkpoints.gguf import load_model
from dojang.checkpoints.gguf.keys import ACTIVATION, NEUTRAL, check_keys
from hypothesis import given, settings
from hypothesis import strategies as st

from .family_files import CENTRED, CONTEXT, FFN, HEADS, KEY, KV_HEADS, RMS, SIZES, VOCAB, D, sizes_of, write_family

QKV = ("attn_q", "attn_k", "attn_v")
Q, KV = HEADS * KEY, KV_HEADS * KEY
AFTER = {"post_attention_norm.weight": (D,), "post_ffw_norm.weight": (D,)}
ALL_NORMS = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
BY_HEAD = {"attn_q_norm.weight": (KEY,), "attn_k_norm.weight": (KEY,)}
QKV_BIASES = {"attn_q.bias": (Q,), "attn_k.bias": (KV,), "attn_v.bias": (KV,)}
LAYER_NORM = {"attn_norm.bias": (D,), "ffn_norm.bias": (D,)}
HEAD = {"output.weight": (VOCAB, D)}
SPLIT = ("attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight")
PLAIN = ModelShape(2, D, HEADS, KV_HEADS, KEY, FFN, VOCAB, CONTEXT, Norm(2.0 ** -17), tied=True)
GEMMA = {"embedding_scale": 8.0, "activation": Activation.GELU_TANH}
LOCAL = LayerKind(Rotation(), 16)


def shaped(**fields):
    return replace(PLAIN, **fields)


CASES = {
    "llama": ("llama", RMS, {}, PLAIN),
    "llama, untied": ("llama", RMS, {"outer": HEAD}, shaped(tied=False)),
    "llama, biases": ("llama", RMS, {"layer": {**QKV_BIASES, "ffn_down.bias": (D,)}},
                      shaped(biases=(*QKV, "ffn_down"))),
    "mistral": ("llama", {**RMS, "attention.sliding_window": 32}, {}, shaped(kinds=(LayerKind(window=32),))),
    "mistral, some layers": (
        "llama", {**RMS, "attention.sliding_window": 32, "attention.sliding_window_pattern": [False, True]}, {},
        shaped(kinds=(LayerKind(), LayerKind(window=32)), pattern=(0, 1))),
    "mistral, a window that never cuts": ("llama", {**RMS, "attention.sliding_window": CONTEXT}, {}, PLAIN),
    "llama, fused": ("llama", RMS, {"layer": {"attn_qkv.weight": (Q + 2 * KV, D)}, "without": SPLIT[:3]}, PLAIN),
    "smollm3": ("smollm3", {**RMS, "block_count": 5}, {"layers": 5},
                shaped(layers=5, kinds=(LayerKind(), LayerKind(None)), pattern=(0, 0, 0, 1, 0))),
    "smollm3, a list": ("smollm3", {**RMS, "attention.rope_pattern": [False, True]}, {},
                        shaped(kinds=(LayerKind(None), LayerKind()), pattern=(0, 1))),
    "qwen2": ("qwen2", {**RMS, "rope.freq_base": 1e6}, {"layer": QKV_BIASES},
              shaped(biases=QKV, kinds=(LayerKind(Rotation(1e6)),))),
    "qwen3": ("qwen3", RMS, {"layer": BY_HEAD}, shaped(qk_norm=QKNorm.HEAD)),
    "phi3": ("phi3", {**RMS, "rope.dimension_count": 24, "attention.sliding_window": 0},
             {"layer": {"attn_qkv.weight": (Q + 2 * KV, D), "ffn_up.weight": (2 * FFN, D)}, "without": SPLIT},
             shaped(kinds=(LayerKind(Rotation(dim=24)),))),
    "phi3, window": ("phi3", {**RMS, "attention.sliding_window": 31}, {}, shaped(kinds=(LayerKind(window=31),))),
    "gemma": ("gemma", RMS, {}, shaped(**GEMMA)),
    "gemma2": ("gemma2", {**RMS, "attention.sliding_window": 16}, {"layer": AFTER},
               shaped(**GEMMA, norms=ALL_NORMS, kinds=(LOCAL, LayerKind()), pattern=(0, 1), score_cap=50.0,
                      logit_cap=30.0)),
    "gemma2, its own window": (
        "gemma2", {**RMS, "context_length": 8192, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0,
                   "rope.freq_base_swa": 5e3}, {"layer": AFTER},
        shaped(**GEMMA, context=8192, norms=ALL_NORMS, kinds=(LayerKind(Rotation(5e3), 4096), LayerKind()),
               pattern=(0, 1), score_cap=5.0, logit_cap=3.0)),
    "gemma2, 27B": (
        "gemma2", {**RMS, "block_count": 46, "attention.sliding_window": 0}, {"layer": AFTER, "layers": 46},
        shaped(**GEMMA, layers=46, norms=ALL_NORMS, score_cap=50.0, logit_cap=30.0, score_scale=1 / math.sqrt(16))),
    "gemma3": (
        "gemma3", {**RMS, "block_count": 7, "attention.sliding_window": 16, "rope.freq_base": 1e6,
                   "rope.scaling.type": "linear", "rope.scaling.factor": 8.0},
        {"layer": {**AFTER, **BY_HEAD}, "layers": 7},
        shaped(**GEMMA, layers=7, norms=ALL_NORMS, qk_norm=QKNorm.HEAD, pattern=(0, 0, 0, 0, 0, 1, 0),
               kinds=(LOCAL, LayerKind(Rotation(1e6, factors=(8.0,) * 16))))),
    "gemma3, no window": ("gemma3", {**RMS, "rope.freq_base": 1e6, "final_logit_softcapping": 30.0},
                          {"layer": {**AFTER, **BY_HEAD}},
                          shaped(**GEMMA, norms=ALL_NORMS, qk_norm=QKNorm.HEAD, kinds=(LayerKind(Rotation(1e6)),),
                                 logit_cap=30.0)),
    "gemma3, 27B": (
        "gemma3", {**RMS, "block_count": 62, "attention.sliding_window": 16, "rope.freq_base_swa": 2e4,
                   "attention.sliding_window_pattern": 0}, {"layer": {**AFTER, **BY_HEAD}, "layers": 62},
        shaped(**GEMMA, layers=62, norms=ALL_NORMS, qk_norm=QKNorm.HEAD, score_scale=1 / math.sqrt(16),
               kinds=(LayerKind(Rotation(2e4), 16),))),
    "granite": ("granite", {**RMS, "embedding_scale": 12.0, "residual_scale": 0.25, "logit_scale": 8.0,
                            "attention.scale": 0.125}, {},
                shaped(embedding_scale=12.0, residual_scale=0.25, logit_scale=0.125, score_scale=0.125)),
    "granite, nothing rotated": ("granite", {**RMS, "rope.scaling.finetuned": False, "logit_scale": 0.0}, {},
                                 shaped(kinds=(LayerKind(None),))),
    "hyperclovax": ("hyperclovax", {**RMS, "embedding_scale": 10.0, "residual_scale": 0.5, "logit_scale": 0.125,
                                    "attention.scale": 0.0625}, {"layer": AFTER},
                    shaped(norms=ALL_NORMS, embedding_scale=10.0, residual_scale=0.5, logit_scale=0.125,
                           score_scale=0.0625)),
    "hyperclovax, no norms after": ("hyperclovax", RMS, {}, PLAIN),
    "gpt2": ("gpt2", CENTRED,
             {"layer": {**LAYER_NORM, "attn_qkv.weight": (Q + 2 * KV, D), "attn_qkv.bias": (Q + 2 * KV,),
                        "attn_output.bias": (D,), "ffn_up.bias": (FFN,), "ffn_down.bias": (D,)},
              "without": SPLIT, "outer": {"position_embd.weight": (CONTEXT, D), "output_norm.bias": (D,)}},
             shaped(norm=Norm(2.0 ** -16, centred=True, bias=True), kinds=(LayerKind(None),), learned_positions=True,
                    gated=False, activation=Activation.GELU_TANH,
                    biases=(*QKV, "attn_output", "ffn_up", "ffn_down"))),
    "olmo2": ("olmo2", {**RMS, "rope.freq_base": 5e5},
              {"layer": {**AFTER, "attn_q_norm.weight": (Q,), "attn_k_norm.weight": (KV,)},
               "without": ("attn_norm.weight", "ffn_norm.weight"), "outer": HEAD},
              shaped(norms=("post_attention_norm", "post_ffw_norm"), qk_norm=QKNorm.VECTOR, tied=False,
                     kinds=(LayerKind(Rotation(5e5)),))),
    "olmo2, windows": (
        "olmo2", {**RMS, "block_count": 4, "attention.sliding_window": 16, "rope.scaling.type": "linear",
                  "rope.scaling.factor": 2.0},
        {"layer": {**AFTER, "attn_q_norm.weight": (Q,), "attn_k_norm.weight": (KV,)}, "layers": 4,
         "without": ("attn_norm.weight", "ffn_norm.weight")},
        shaped(layers=4, norms=("post_attention_norm", "post_ffw_norm"), qk_norm=QKNorm.VECTOR, pattern=(0, 0, 0, 1),
               kinds=(LOCAL, LayerKind(Rotation(factors=(2.0,) * 16))))),
    "stablelm": ("stablelm", {**CENTRED, "rope.dimension_count": 8, "use_parallel_residual": True},
                 {"layer": {**LAYER_NORM, **QKV_BIASES}, "outer": {**HEAD, "output_norm.bias": (D,)}},
                 shaped(norm=Norm(2.0 ** -16, centred=True, bias=True), kinds=(LayerKind(Rotation(dim=8)),),
                        biases=QKV, tied=False)),
}


def write(path, family, keys, tensors):
    return write_family(path, family, {**SIZES, **keys}, sizes_of(**tensors))


@pytest.mark.parametrize("name", CASES)
def test_a_file_gives_the_description(name, tmp_path):
    family, keys, tensors, expected = CASES[name]
    values = write(tmp_path / "m.gguf", family, keys, tensors)
    checkpoint = load(tmp_path / "m.gguf")
    assert checkpoint.shape == expected
    assert not any("ignored" in message for message in checkpoint.messages)
    assert set(checkpoint.types) == set(expected.tensors())
    for tensor, size in expected.tensors().items():
        if len(size) == 1:
            assert checkpoint.vector(tensor).shape == size
        elif tensor != "position_embd.weight":
            assert checkpoint.floats(tensor).shape == size
    np.testing.assert_array_equal(checkpoint.embedding[:], values["token_embd.weight"])
    assert (checkpoint.positions is None) == (family != "gpt2")
    if checkpoint.positions is not None:
        np.testing.assert_array_equal(checkpoint.positions[[5, 1]], values["position_embd.weight"][[5, 1]])


def test_every_family_has_a_case():
    assert {family for family, *_ in CASES.values()} == set(FAMILIES)


def test_factors_by_context_whatever_the_type(tmp_path):
    factors = {f"rope_factors_{name}.weight": np.linspace(1, last, 16) for name, last in (("short", 4), ("long", 9))}
    keys = {"rope.scaling.original_context_length": 64, "rope.scaling.attn_factor": 1.25}
    for family, read in (("phi3", True), ("llama", False)):
        values = write_family(tmp_path / "m.gguf", family, {**SIZES, **RMS, **keys}, sizes_of(), given=factors)
        if not read:
            with pytest.raises(UnsupportedError, match=r"rope_factors_long\.weight is not part of the family llama"):
                load(tmp_path / "m.gguf")
            continue
        rotation = load(tmp_path / "m.gguf").shape.kinds[0].rotation
        assert (rotation.magnitude, rotation.original_context) == (1.25, 64)
        assert rotation.factors == tuple(values["rope_factors_short.weight"].tolist())
        assert rotation.factors_long == tuple(values["rope_factors_long.weight"].tolist())


# --- keys -----------------------------------------------------------------------------------------------------------

def file_of(family, fields):
    """A file with nothing but keys."""
    named = {f"{family.name}.{key}": value for key, value in fields.items()}
    return SimpleNamespace(path="m.gguf", fields=named, field=named.get)


@pytest.mark.parametrize("name", FAMILIES)
def test_keys_that_a_family_does_not_honour_are_refused(name):
    family, refused = FAMILIES[name], 0
    for key in NEUTRAL.keys() - family.keys.keys():
        key = f"{key}x" if key.endswith((".", "_")) else key
        with pytest.raises(UnsupportedError, match=f"not supported: key {name}.{key} is 77, expected "):
            check_keys(file_of(family, {key: 77}), family)
        refused += 1
    assert refused > 80 and check_keys(file_of(family, dict.fromkeys(family.keys, 77)), family) == []


def test_the_activation_must_be_that_of_the_family():
    for name, value in (("llama", "silu"), ("gemma3", "gelu_pytorch_tanh"), ("gpt2", "gelu_new")):
        assert check_keys(file_of(FAMILIES[name], {ACTIVATION: value}), FAMILIES[name]) == []
    with pytest.raises(UnsupportedError, match=r"another activation than the family's is not supported: key "
                                               r"gemma\.hidden_activation is 'gelu', expected 'gelu_pytorch_tanh' or"):
        check_keys(file_of(FAMILIES["gemma"], {ACTIVATION: "gelu"}), FAMILIES["gemma"])


WRONG = {
    "window": ("llama", {"attention.sliding_window": 2.5}, "attention.sliding_window is 2.5, expected an integer"),
    "negative window": ("gemma2", {"attention.sliding_window": -1},
                        "gemma2.attention.sliding_window is -1, expected a number of positions, or 0 for none"),
    "pattern of another length": ("gemma3", {"attention.sliding_window_pattern": [True]},
                                  "gemma3.attention.sliding_window_pattern is [True], expected a period, or true or "
                                  "false for each of 2 layers"),
    "pattern of numbers": ("smollm3", {"attention.rope_pattern": [1, 7]}, "smollm3.attention.rope_pattern is [1, 7]"),
    "pattern that is no number": ("smollm3", {"attention.rope_pattern": "ab"}, "rope_pattern is 'ab', expected a per"),
    "period below 0": ("smollm3", {"attention.rope_pattern": -4}, "attention.rope_pattern is -4, expected a period"),
    "cap": ("gemma3", {"final_logit_softcapping": -1.0}, "model has logit_cap=-1.0, expected 0 for none, or a number"),
    "factor": ("granite", {"residual_scale": -0.5}, "model has residual_scale=-0.5, expected a number from"),
    "divisor": ("granite", {"logit_scale": 1e20}, "model has logit_scale=9.99999979959123e-21, expected a number"),
    "no number": ("hyperclovax", {"embedding_scale": "12"}, "hyperclovax.embedding_scale is '12', expected a finite"),
    "score scale": ("qwen3", {"attention.scale": -2.0}, "qwen3.attention.scale is -2, expected a positive number"),
    "eps": ("stablelm", {"attention.layer_norm_rms_epsilon": 1e-5}, "stablelm.attention.layer_norm_epsilon is missing"),
}


@pytest.mark.parametrize("case", WRONG)
def test_values_that_cannot_be(case, tmp_path):
    family, keys, message = WRONG[case]
    write(tmp_path / "m.gguf", family, {**({} if case == "eps" else RMS), **keys}, {})
    with pytest.raises(CheckpointError) as error:
        load(tmp_path / "m.gguf")
    assert message in str(error.value) and len(str(error.value)) < 250 + len(str(tmp_path))


NUMBERS = st.floats() | st.sampled_from([0.0, 1.0, -1.0, 1e-45, 3e38]) | st.integers(-2**63, 2**64) | st.integers(0, 9)
CONTENTS = NUMBERS | st.booleans() | st.text(max_size=3) | st.lists(st.booleans() | st.integers(-1, 2), max_size=7)
OFTEN = (*SIZES, "attention.scale", "attention.sliding_window", "attention.sliding_window_pattern", "rope.freq_base",
         "rope.freq_base_swa", "rope.dimension_count", "rope.scaling.factor", *RMS, *CENTRED)


@pytest.mark.parametrize("name", [name for name in CASES if name.count(",") == 0 or "27B" in name])
def test_any_values_give_a_description_or_a_sentence(name, tmp_path):
    family, keys, tensors, _ = CASES[name]
    write(tmp_path / "m.gguf", family, keys, tensors)
    file, found = GGUFFile(tmp_path / "m.gguf"), []
    of_file = dict(file.fields)

    @settings(max_examples=60, database=None, derandomize=True)
    @given(st.dictionaries(st.sampled_from((*OFTEN, *FAMILIES[family].keys)), CONTENTS, min_size=1, max_size=3))
    def run(changes):
        file.fields = {**of_file, **{f"{family}.{key}": SimpleNamespace(
            value=lambda value=value: value, count=len(value) if isinstance(value, list) else None)
            for key, value in changes.items()}}
        try:
            found.append(load_model(file, 8).shape)
        except CheckpointError as error:
            assert len(str(error)) < 250 + len(str(tmp_path)) and "\n" not in str(error)

    run()
    assert found or "27B" in name


# --- tensors --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[3].layers < 6])
def test_a_missing_or_surplus_tensor_is_named(name, tmp_path):
    """What a model has is read off its first layer; the last one must have it too."""
    family, keys, tensors, expected = CASES[name]
    sizes, last = sizes_of(**tensors), expected.layers - 1
    for tensor in sizes.keys() - {"output.weight"}:
        if tensor.startswith("blk.") and not tensor.startswith(f"blk.{last}."):
            continue
        write_family(tmp_path / "m.gguf", family, {**SIZES, **keys},
                     {key: size for key, size in sizes.items() if key != tensor})
        with pytest.raises(CheckpointError, match=f"tensor {tensor} is missing"):
            load(tmp_path / "m.gguf")
    for tensor in (f"blk.{last}.attn_sinks.weight", "output.bias", f"blk.{last + 1}.attn_q.weight"):
        write_family(tmp_path / "m.gguf", family, {**SIZES, **keys}, {**sizes, tensor: (D,)})
        with pytest.raises(UnsupportedError, match=f"tensor {tensor} is not part of the family {family}$"):
            load(tmp_path / "m.gguf")


@pytest.mark.parametrize("family, change, message", [
    ("qwen2", {}, "tensor blk.0.attn_q.bias is missing"),
    ("qwen3", {"layer": {"attn_q_norm.weight": (Q,), "attn_k_norm.weight": (KEY,)}},
     "tensor blk.0.attn_q_norm.weight has size (128,), expected (32,)"),
    ("llama", {"layer": {"attn_qkv.weight": (Q + 2 * KV, D)}}, "tensor blk.0.attn_qkv.weight is not part of"),
    ("llama", {"layer": {"attn_qkv.weight": (Q + 2 * KV + 1, D)}, "without": SPLIT[:3]},
     "tensor blk.0.attn_qkv.weight has size (257, 64), expected (256, 64)"),
    ("llama", {"layer": {"ffn_up.weight": (2 * FFN, D)}, "without": SPLIT}, "tensor blk.0.attn_q.weight is missing"),
    ("llama", {"layer": AFTER}, "tensor blk.0.post_attention_norm.weight is not part of the family llama"),
    ("granite", {"layer": BY_HEAD}, "tensor blk.0.attn_k_norm.weight is not part of the family granite"),
    ("stablelm", {"without": ("ffn_norm.weight",)},
     "parallel residuals are not supported: tensor blk.0.ffn_norm.weight is missing"),
    ("stablelm", {"layer": {**LAYER_NORM, "attn_q_norm.weight": (KEY, HEADS)}, "outer": {"output_norm.bias": (D,)}},
     "tensor blk.0.attn_q_norm.weight is not part of the family stablelm"),
    ("gpt2", {}, "tensor blk.0.ffn_gate.weight is not part of the family gpt2"),
    ("gpt2", {"without": ("ffn_gate.weight",)}, "tensor position_embd.weight is missing"),
])
def test_tensors_that_do_not_fit(family, change, message, tmp_path):
    write(tmp_path / "m.gguf", family, {**RMS, **CENTRED}, change)
    with pytest.raises(CheckpointError) as error:
        load(tmp_path / "m.gguf")
    assert message in str(error.value)


def test_layers_are_counted_before_anything_is_made_of_them(tmp_path):
    for family in ("smollm3", "gemma3"):
        write(tmp_path / "m.gguf", family, {**RMS, "block_count": 2_000_000_000}, {})
        with pytest.raises(CheckpointError, match="2000000000 layers but only 20 tensors"):
            load(tmp_path / "m.gguf")


# --- registration ---------------------------------------------------------------------------------------------------

def test_published_names():
    assert published("Qwen2ForCausalLM") is FAMILIES["qwen2"]
    assert published("HyperCLOVAXForCausalLM") is FAMILIES["hyperclovax"]
    assert published("MambaForCausalLM") is None
    names = [name for family in FAMILIES.values() for name in family.published]
    assert len(set(names)) == len(names) and all(FAMILIES[name].name == name for name in FAMILIES)


@pytest.mark.parametrize("family, name", [
    (Family("llama"), "llama"), (Family("other", ("QwenForCausalLM", "Qwen2ForCausalLM")), "Qwen2ForCausalLM")])
def test_a_family_that_is_there_already(family, name):
    before = dict(FAMILIES)
    with pytest.raises(ValueError, match=f"a family '{name}' is registered already"):
        register(family)
    assert before == FAMILIES


def test_an_unknown_architecture_names_those_that_are_known(tmp_path):
    write(tmp_path / "m.gguf", "rwkv7", RMS, {})
    with pytest.raises(UnsupportedError, match=r"architecture 'rwkv7' is not supported, supported are gemma, gemma2, "
                                               r".*, qwen3, smollm3, stablelm$"):
        load(tmp_path / "m.gguf")
