"""The F32 copy given to llama.cpp, and the plain forward pass behind the cache figures."""

import gguf
import numpy as np
import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.oracle.accuracy import compare_perplexity, compare_prompt
from dojang.oracle.f32 import write_f32
from dojang.oracle.kv_formats import PlainLlama, exact, integers
from dojang.oracle.reference import negative_log_likelihood, pack_logits
from dojang_sim.golden.model import GoldenModel

SHAPE = ModelShape(2, 128, 4, 2, 32, 96, 77, 64, tied=True)


@pytest.fixture
def path(tmp_path):
    return write_synthetic(tmp_path / "model.gguf", SHAPE, "Q4_1", seed=2)


def test_f32_copy_holds_the_same_model(path, tmp_path):
    copy = write_f32(path, tmp_path / "f32.gguf")
    before, after = gguf.GGUFReader(path), gguf.GGUFReader(copy)
    assert [tensor.name for tensor in before.tensors] == [tensor.name for tensor in after.tensors]
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert new.tensor_type == gguf.GGMLQuantizationType.F32
        assert np.array_equal(gguf.dequantize(old.data, old.tensor_type), new.data)
    for name in set(before.fields) - {"general.file_type"}:
        if not name.startswith("GGUF."):
            assert before.fields[name].contents() == after.fields[name].contents(), name


def test_plain_forward_is_near_golden(path):
    checkpoint = load(path)
    tokens = np.random.default_rng(4).integers(0, SHAPE.vocab, 30)
    golden = GoldenModel(checkpoint, 64).forward(tokens, 0)
    plain = PlainLlama(checkpoint).forward(tokens, activations=exact)
    assert np.abs(golden - plain).mean() < 0.002 * plain.std()


def test_two_terms_are_finer_than_one():
    x = np.random.default_rng(5).normal(size=(3, 64)).astype(np.float32)
    one, two = (np.abs(integers(32, terms=terms)(x) - x).max() for terms in (1, 2))
    assert two < one / 100
    assert not integers(32)(np.zeros((2, 32), np.float32)).any()


class FixedModel:
    """Answers with given logits."""

    def __init__(self, logits):
        self.logits = logits

    def forward(self, tokens, position):
        return self.logits[:len(tokens)]


def test_comparison_finds_wrong_tokens_and_shifted_logits():
    logits = np.zeros((4, 6), np.float32)
    logits[np.arange(4), [5, 1, 2, 3]] = 2
    prompt = {"ids": [0, 4], "tokens": [1, 2, 4], "gaps": [2.0, 2.0, 0.1], "logits": pack_logits(logits[1:, :2] + 0.5)}
    result = compare_prompt(FixedModel(logits), prompt, [0, 1])
    assert result["different"] == [2] and result["errors"] == []
    assert result["logit_error"] == pytest.approx(0.5, abs=1e-3)
    prompt["gaps"][2] = 0.3
    assert compare_prompt(FixedModel(logits), prompt, [0, 1])["errors"] == [2]


def test_perplexity_change():
    logits = np.random.default_rng(6).normal(size=(8, 6)).astype(np.float32)
    ids = [1, 2, 3, 4, 5, 0, 1, 2]
    nll = negative_log_likelihood(logits, ids)
    text = {"window": 8, "ids": ids, "nll": [(nll - 0.01).tolist()]}
    result = compare_perplexity(FixedModel(logits), text, 1)
    assert result["change_percent"] == pytest.approx(100 * np.expm1(0.01), rel=1e-6)
    assert result["golden"] == pytest.approx(np.exp(nll.mean()))
