"""The developer guide's example of a family that is added: short, printed as it is, and right."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from dojang.checkpoints import UnsupportedError, load
from dojang.checkpoints.families import FAMILIES, published
from dojang.fast import FastModel

from . import add_a_family

PAGE = Path(__file__).parents[3] / "docs/developer/add-a-family.md"
HEAD = 32


@pytest.fixture
def family():
    """For one test."""
    yield add_a_family.add_starcoder2()
    del FAMILIES["starcoder2"]


def layer_norm(x, of, name):
    x = x - x.mean(axis=-1, keepdims=True)
    return x / np.sqrt((x ** 2).mean(axis=-1, keepdims=True) + 1e-5) * of[f"{name}.weight"] + of[f"{name}.bias"]


def rotated(heads):
    """Of [positions, heads, elements]; element i turns with i + HEAD / 2."""
    angle = np.arange(len(heads))[:, None] * 10000.0 ** (-2 * np.arange(HEAD // 2) / HEAD)
    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = heads[..., :HEAD // 2], heads[..., HEAD // 2:]
    return np.concatenate([a * c - b * s, b * c + a * s], axis=-1)


def starcoder2(of, ids):
    """The published model in float64, on the file's own tensors."""
    def linear(x, name):
        return x @ of[f"blk.0.{name}.weight"].T + of[f"blk.0.{name}.bias"]

    x = of["token_embd.weight"][ids]
    h = layer_norm(x, of, "blk.0.attn_norm")
    q, k, v = (linear(h, name).reshape(len(ids), -1, HEAD) for name in ("attn_q", "attn_k", "attn_v"))
    scores = np.einsum("phe,sre->hps", rotated(q), rotated(k)) / np.sqrt(HEAD)
    weights = np.exp(np.where(np.tri(len(ids)) == 1, scores, -np.inf))
    o = np.einsum("hps,sre->phe", weights / weights.sum(axis=-1, keepdims=True), v)
    x = x + linear(o.reshape(len(ids), -1), "attn_output")
    u = linear(layer_norm(x, of, "blk.0.ffn_norm"), "ffn_up")
    x = x + linear(u / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (u + 0.044715 * u ** 3))), "ffn_down")
    return layer_norm(x, of, "output_norm") @ of["token_embd.weight"].T


def test_the_example_computes_what_the_family_does(family, tmp_path):
    path = add_a_family.write_starcoder2(tmp_path / "m.gguf")
    checkpoint, logits = add_a_family.logits_of_starcoder2(path)
    assert published("Starcoder2ForCausalLM") is family
    assert checkpoint.shape.biases == add_a_family.LINEAR and not checkpoint.shape.gated
    tensors = {tensor.name: tensor.data.astype(np.float64) for tensor in gguf.GGUFReader(path).tensors}
    expected = starcoder2(tensors, [3, 1, 2])
    assert np.abs(logits - expected).mean() < 0.01 * expected.std()
    assert FastModel(checkpoint, 16).forward([3, 1, 2], 0).tobytes() == logits.tobytes()


def test_without_it_the_file_is_refused(tmp_path):
    with pytest.raises(UnsupportedError, match="architecture 'starcoder2' is not supported"):
        load(add_a_family.write_starcoder2(tmp_path / "m.gguf"))


def test_the_page_prints_the_example_as_it_is():
    source = Path(add_a_family.__file__).read_text()
    assert f"\n```python\n{source}```\n" in PAGE.read_text() and len(source.splitlines()) < 60
