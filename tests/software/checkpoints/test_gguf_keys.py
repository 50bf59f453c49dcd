"""Keys of the architecture: none that changes the numbers is ignored."""

import gguf
import pytest
from dojang.checkpoints import UnsupportedError, load
from dojang.checkpoints.gguf import keys
from dojang.checkpoints.gguf.keys import GROUPS, HARMLESS, HONOURED, KNOWN, NEUTRAL, OTHERS, REFUSED


def test_every_key_of_the_package_is_in_one_table():
    names = (name for group in vars(gguf.Keys).values() if isinstance(group, type) for name in vars(group).values())
    known = {name.removeprefix("{arch}.").replace("{dense}", "dense_2") for name in names
             if isinstance(name, str) and name.startswith("{arch}.")}
    listed = [key for table in (HONOURED, HARMLESS) for group in table.values() for key in group]
    listed += [key for _, group in REFUSED.values() for key in group]
    assert len(known) > 100 and {name for name in known if not name.startswith(GROUPS)} <= set(listed)
    assert len(set(listed)) == len(listed)


CHANGES = {
    "expert_count": (8, "mixtures of experts are not supported: key llama.expert_count is 8, expected 0"),
    "expert_used_count": (2, "mixtures of experts are not supported: key llama.expert_used_count is 2, expected 0"),
    "attention.causal": (False, "attention that is not causal is not supported: key llama.attention.causal is False"),
    "logit_scale": (0.5, "logits or attention's parts is not supported: key llama.logit_scale is 0.5, expected 1 or 0"),
    "residual_scale": (1.5, "key llama.residual_scale is 1.5, expected 1 or 0"),
    "embedding_scale": (12.0, "key llama.embedding_scale is 12.0, expected 1 or 0"),
    "attn_logit_softcapping": (50.0, "key llama.attn_logit_softcapping is 50.0, expected 0"),
    "final_logit_softcapping": (30.0, "key llama.final_logit_softcapping is 30.0, expected 0"),
    "attention.clamp_kqv": (8.0, "key llama.attention.clamp_kqv is 8.0, expected 0"),
    "attention.max_alibi_bias": (8.0, "ALiBi is not supported: key llama.attention.max_alibi_bias is 8.0, expected 0"),
    "use_parallel_residual": (True, "parallel residuals are not supported: key llama.use_parallel_residual is True"),
    "tensor_data_layout": ("jploski", "key llama.tensor_data_layout is 'jploski', expected 'Meta AI original pth' or"),
    "hidden_activation": ("gelu", "another activation than the family's is not supported"),
    "pooling_type": (1, "key llama.pooling_type is 1, expected 0"),
    "nextn_predict_layers": (1, "key llama.nextn_predict_layers is 1, expected 0"),
    "attention.key_length_mla": (192, "key llama.attention.key_length_mla is 192, expected 0"),
    "rope.dimension_sections": ([16, 24, 24, 0], "key llama.rope.dimension_sections is [16, 24, 24, 0], expected 0"),
    "rope.freq_base_swa": (10000.0, "key llama.rope.freq_base_swa is 10000.0, expected 0"),
    "logit_scale ": (float("nan"), None),
    "logit_scale  ": (True, None),
    "logit_scale   ": ("A" * 10**6, None),
    "expert_count ": ([0, 0, 4], None),
}


@pytest.mark.parametrize("key", CHANGES)
def test_keys_that_change_the_numbers_are_refused(raw, model, tmp_path, key):
    content, message = CHANGES[key]
    path = raw.rewrite(model, tmp_path / "m.gguf", replace_fields={f"llama.{key.strip()}": content})
    with pytest.raises(UnsupportedError) as error:
        load(path)
    assert (message or f"not supported: key llama.{key.strip()} is ") in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 250


@pytest.mark.parametrize("key, content", [
    ("expert_count", 0), ("attention.causal", True), ("logit_scale", 1.0), ("logit_scale", 0.0),
    ("use_parallel_residual", False), ("tensor_data_layout", "Meta AI original pth"), ("hidden_activation", "silu"),
    ("attention.sliding_window", 256), ("attention.sliding_window", 0), ("rope.dimension_sections", [0, 0]),
    ("attention.layer_norm_epsilon", 1e-5), ("rope.scaling.finetuned", True)])
def test_neutral_values_change_nothing(raw, model, tmp_path, key, content):
    checkpoint = load(raw.rewrite(model, tmp_path / "m.gguf", replace_fields={f"llama.{key}": content}))
    assert checkpoint.shape == load(model).shape and checkpoint.messages == []


def test_every_refused_key_is_refused(raw, model, tmp_path):
    for key in (f"{key}x" if key in GROUPS else key for key in NEUTRAL):
        with pytest.raises(UnsupportedError, match=f"not supported: key llama.{key} is 77, expected "):
            load(raw.rewrite(model, tmp_path / "m.gguf", replace_fields={f"llama.{key}": 77}))
    for key in OTHERS:
        with pytest.raises(UnsupportedError, match=f"not supported: key {key} is 77, expected "):
            load(raw.rewrite(model, tmp_path / "m.gguf", replace_fields={key: 77}))


def test_a_key_of_a_group_is_named_shortly(raw, model, tmp_path):
    path = raw.rewrite(model, tmp_path / "m.gguf", replace_fields={"llama.ssm.\n" + "x" * 60_000: 77})
    with pytest.raises(UnsupportedError, match=r"key llama\.ssm\.\\nx+… is 77, expected 0") as error:
        load(path)
    assert len(str(error.value)) < len(str(path)) + 250


def test_unknown_keys_are_named_in_one_line(raw, model, tmp_path):
    path = raw.rewrite(model, tmp_path / "m.gguf", replace_fields={
        "llama.new\n[thing]": 1, "other.key": 2, "general.new": 3, "llama.rope.base": 4})
    assert load(path).messages == [
        r"keys that are not known, and may change the model, are ignored: llama.new\n[thing], llama.rope.base"]
    path = raw.rewrite(model, tmp_path / "m.gguf", replace_fields={f"llama.k{index}": 1 for index in range(9)})
    assert load(path).messages[0].endswith("ignored: llama.k0, llama.k1, llama.k2, llama.k3, llama.k4 and 4 more")
    assert keys.NAMED == 5 and "k0" not in KNOWN
