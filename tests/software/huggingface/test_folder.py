"""Folders that are wrong, hostile or of another kind: one sentence each; and forms that weights may have."""

import json
import struct

import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, ModelShape, Norm, UnsupportedError, load
from safetensors.numpy import save_file

SHAPE = ModelShape(2, 64, 4, 2, 32, 96, 70, 256, Norm(float(np.float32(1e-6))), key_dim=16)
CONFIG = {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "intermediate_size": 96, "vocab_size": 70, "max_position_embeddings": 256}
HUGE = "1" + "0" * 400


@pytest.fixture(scope="module")
def tensors(hub):
    return hub.published("LlamaForCausalLM", SHAPE, hub.random_values(SHAPE))


@pytest.fixture
def folder(hub, tensors, tmp_path):
    """Function that writes a sound folder with changes of its config, and returns its path."""

    def make(given=tensors, parts=1, **changes):
        return hub.write(tmp_path / "model", {**CONFIG, **changes}, given, parts)

    return make


def refused(path, message, error=CheckpointError):
    with pytest.raises(error) as caught:
        load(path)
    text = str(caught.value)
    assert message in text and "\n" not in text and len(text) < 600, text


@pytest.mark.parametrize(("changes", "message"), [
    ({"hidden_size": "64"}, "hidden_size is '64', expected an integer below 2^31"),
    ({"hidden_size": 64.0}, "hidden_size is 64.0, expected an integer below 2^31"),
    ({"num_hidden_layers": 1e300}, "num_hidden_layers is 1e+300, expected an integer"),
    ({"num_hidden_layers": 1 << 30}, "1073741824 layers but only 21 tensors"),
    ({"num_hidden_layers": -1}, "num_hidden_layers is -1, expected a positive integer"),
    ({"num_attention_heads": 0}, "num_attention_heads is 0, expected a positive integer"),
    ({"num_attention_heads": True}, "num_attention_heads is True"),
    ({"num_key_value_heads": 3}, "kv_heads=3, expected a divisor of heads=4"),
    ({"intermediate_size": 64}, "tensor blk.0.ffn_gate.weight has size (96, 64), expected (64, 64)"),
    ({"vocab_size": 71}, "vocab_size is 71, expected 70"),
    ({"rms_norm_eps": [1]}, "rms_norm_eps is [1], expected a number"),
    ({"rms_norm_eps": -1.0}, "norm.eps=-1.0"),
    ({"rms_norm_eps": 1e300}, "rms_norm_eps is 1e+300, expected a number of at most 3e+38"),
    ({"rope_theta": "ten"}, "rope_theta of the rotary embedding is 'ten', expected a number from 1e-9 to 1e38"),
    ({"rope_scaling": 3}, "rope_scaling is 3, expected an object in braces"),
    ({"rope_scaling": {"type": {}}}, "rotary scaling {} is not supported"),
    ({"rope_scaling": {"type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1}},
     "low_freq_factor is 4, expected less than high_freq_factor, 1"),
    ({"rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0] * 8}},
     "long_factor of the rotary embedding is [1.0], expected a list of 8 numbers"),
    ({"partial_rotary_factor": 0.3}, None),
    ({"partial_rotary_factor": 0.2}, "partial_rotary_factor is 0.2, expected a part of the 16 elements"),
    ({"architectures": []}, "architectures is [], expected a list of one name"),
    ({"architectures": "Llama"}, "architectures is 'Llama', expected a list of one name"),
    ({"tie_word_embeddings": "yes"}, "tie_word_embeddings is 'yes', expected true or false"),
    ({"attention_bias": True}, "attention_bias is true, but there is no tensor blk.0.attn_q.bias"),
    ({"n_embd": 65}, "n_embd is 65, but hidden_size is 64"),
    ({"head_dim": 32}, "tensor blk.0.attn_q.weight has size (64, 64), expected (128, 64)"),
    ({"text_config": [1]}, "text_config is [1], expected an object"),
])
def test_values_that_cannot_be(folder, changes, message):
    if message is None:
        assert load(folder(**changes)).shape.kinds[0].rotation.dim == 4
    else:
        refused(folder(**changes), message)


@pytest.mark.parametrize(("changes", "message"), [
    ({"architectures": ["T5ForConditionalGeneration"]}, "architecture 'T5ForConditionalGeneration' is not supported"),
    ({"hidden_act": "relu"}, "hidden_activation is 'relu'"),
    ({"num_local_experts": 8}, "mixtures of experts are not supported: num_local_experts is 8, expected null"),
    ({"clip_qkv": 8.0}, "clamping of queries, keys and values is not supported: clip_qkv is 8.0"),
    ({"layer_sharing": True}, "layers that share weights are not supported: layer_sharing is True"),
    ({"rope_interleaved": True}, "rope_interleaved is True"),
    ({"rope_scaling": {"type": "dynamic", "factor": 2}}, "rotary scaling 'dynamic' is not supported, supported are"),
    ({"rope_scaling": {"rope_type": "linear", "factor": 2, "mrope_section": [1]}}, "mrope_section of rotary scaling"),
    ({"rope_parameters": {"rope_type": "yarn", "factor": 2, "truncate": False}}, "truncate of rotary scaling yarn is"),
    ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantised by 'gptq' are not supported"),
    ({"final_logit_softcapping": 30.0}, "final_logit_softcapping is 30.0"),
])
def test_what_would_change_the_numbers(folder, changes, message):
    refused(folder(**changes), message, UnsupportedError)


def test_unknown_keys_are_told_and_those_of_other_classes_too(folder):
    messages = load(folder(sliding_window=16, brightness=3, torch_dtype="float32", pad_token_id=0)).messages
    assert [text for text in messages if "quantised" not in text] == [
        "keys of config.json that are not known, and may change the model, are ignored: sliding_window, brightness"]


@pytest.mark.parametrize(("text", "message"), [
    ("", "is truncated or corrupt"), ("[1]", "expected an object in braces"), ("[" * 100000, "nested too deeply"),
    ('{"a": NaN}', "NaN is no number"), (f'{{"a": {HUGE}}}', "a number has 401 digits"),
    ('{"a": 1, "a": 2}', "key 'a' comes twice"), (b"\xff\xfe", "text that is not UTF-8")])
def test_damaged_json(folder, text, message):
    path = folder()
    (path / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(path, message)


def test_files_that_are_missing_or_damaged(folder, tensors, tmp_path):
    path = folder(parts=3)
    part = path / "model-00002-of-00003.safetensors"
    assert load(path).shape == SHAPE and load(path / "config.json").name == "model"
    whole = part.read_bytes()
    for content in (whole[:-1], whole[:20], b"", whole + b"0", struct.pack("<Q", 1 << 60) + b"{}", b"\0" * 64):
        part.write_bytes(content)
        refused(path, "is truncated or corrupt")
    part.unlink()
    refused(path, "names model-00002-of-00003.safetensors, which is missing in")
    part.write_bytes(whole)
    index = json.loads((path / "model.safetensors.index.json").read_text())
    for change, message in (({"lm_head.weight": "../x"}, "names '../x', expected a file in the same folder"),
                            ({"other": part.name}, f"says that tensor other is in {part.name}, which has no such")):
        changed = {"weight_map": {**index["weight_map"], **change}}
        (path / "model.safetensors.index.json").write_text(json.dumps(changed))
        refused(path, message)
    (path / "model.safetensors.index.json").write_text("{}")
    refused(path, "has no weight_map")
    (path / "model.safetensors.index.json").unlink()
    refused(path, "has neither model.safetensors nor model.safetensors.index.json, only model-00001")
    refused(tmp_path, "Is a directory, expected one with a config.json, or a file")
    save_file(tensors, tmp_path / "model.safetensors")
    refused(tmp_path / "model.safetensors", "dojang compress has not written")


def test_tensors_that_are_missing_or_too_many(folder, tensors):
    for name, message in (("model.norm.weight", "tensor output_norm.weight is missing"),
                          ("lm_head.weight", "tie_word_embeddings is false, but there is no tensor of the head"),
                          ("model.layers.1.mlp.up_proj.weight", "tensor blk.1.ffn_up.weight is missing")):
        refused(folder({key: value for key, value in tensors.items() if key != name}), message)
    refused(folder({**tensors, "model.extra": np.zeros(2, np.float32)}), "tensor model.extra is not part of the family")
    refused(folder({**tensors, "embed_tokens.weight": np.zeros(2, np.float32)}), "are the same one")
    angles = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.zeros(8, np.float32)}
    assert load(folder({**tensors, **angles})).shape == SHAPE


@pytest.mark.parametrize(("kind", "name"), [(np.float16, "F16"), (np.float32, "F32"), (None, "BF16")])
def test_types_of_weights(folder, hub, tensors, kind, name):
    cast = hub.bfloat16 if kind is None else lambda array: array.astype(kind)
    checkpoint = load(folder({key: cast(array) for key, array in tensors.items()}))
    assert set(checkpoint.types.values()) == {name}
    for tensor, values in hub.random_values(SHAPE).items():
        found = checkpoint.floats(tensor) if values.ndim == 2 else checkpoint.vector(tensor)
        assert np.array_equal(found, values) and found.dtype == np.float32
    assert f"attn_q quantised from {name} to 8 bits" in checkpoint.messages


@pytest.mark.parametrize(("kind", "name"), [(np.float64, "F64"), (np.int8, "I8")])
def test_types_that_are_no_weights(folder, tensors, kind, name):
    changed = {**tensors, "model.layers.0.mlp.up_proj.weight": np.zeros((96, 64), kind)}
    refused(folder(changed), f"has type {name}, supported are F32, F16, BF16", UnsupportedError)


def test_fp8_is_refused_by_name(folder, tensors):
    path = folder()
    raw = (path / "model.safetensors").read_bytes()
    length = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:8 + length])
    entry = header["model.layers.0.mlp.up_proj.weight"]
    entry["shape"], entry["dtype"] = [96, 256], "F8_E4M3"  # as many bytes
    text = json.dumps(header).encode()
    (path / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length:])
    refused(path, "has type F8_E4M3, supported are F32, F16, BF16", UnsupportedError)


def test_the_text_model_of_several_parts(hub, tmp_path):
    values = hub.random_values(ModelShape(2, 64, 4, 2, 32, 96, 70, 256, key_dim=16, tied=True))
    for number, prefix in enumerate(("language_model.model.", "model.language_model.")):
        names = {name.replace("model.", prefix, 1): array for name, array in hub.published(
            "LlamaForCausalLM", SHAPE, values).items()}
        names = {name: np.ones(64, np.float32) if "layernorm" in name else array for name, array in names.items()}
        for layer in range(2):
            front = f"{prefix}layers.{layer}."
            names |= {f"{front}{norm}_feedforward_layernorm.weight": np.ones(64, np.float32)
                      for norm in ("pre", "post")}
            names |= {f"{front}self_attn.{part}_norm.weight": np.ones(16, np.float32) for part in "qk"}
        names["vision_tower.patches.weight"] = np.ones((2, 2), np.float32)
        config = {"architectures": ["Gemma3ForConditionalGeneration"], "vision_config": {"hidden_size": 3},
                  "text_config": {**{key: value for key, value in CONFIG.items() if key != "architectures"},
                                  "head_dim": 16, "sliding_window": 32}}
        checkpoint = load(hub.write(tmp_path / str(number), config, names))
        assert checkpoint.shape.tied and checkpoint.shape.d == 64
        told = "only the text model is used, tensors of other parts are ignored: vision_tower (1)"
        assert told in checkpoint.messages
        assert (checkpoint.vector("blk.0.ffn_norm.weight") == 2).all()
