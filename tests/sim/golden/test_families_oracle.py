"""Every family: the golden model and its compiled equal on random files, against llama.cpp's kept answers."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.checkpoints.families import FAMILIES
from dojang.fast import FastModel
from dojang.oracle.cases import CASES, UNASKED
from dojang.oracle.families import GAP, answer, answers, errors, prompt, table, write_case
from dojang_sim.golden.model import GoldenModel

from .reference_model import alterations, float_tensors, reference_logits

KEPT = json.loads((Path(__file__).parent / "data" / "families_oracle.json").read_text())["cases"]
DOCS = Path(__file__).parents[3] / "docs"

MEAN_ERROR, LARGEST_ERROR = 0.005, 0.1
"""In deviations of the logits; a mean of 0.01 is promised."""

LEFT_OUT = 0.02
"""Mean error at least, where a rule is left out or another in its place."""


@pytest.fixture
def opened(tmp_path):
    """``opened(case, seed)``: the checkpoint, its description checked, and positions to reserve."""
    def load_case(case, seed):
        checkpoint = load(write_case(case, seed, tmp_path / "m.gguf"))
        assert checkpoint.shape == case.expected
        return checkpoint, case.context
    return load_case


def test_every_family_is_asked():
    assert {case.family for case in (*CASES.values(), *UNASKED.values())} == set(FAMILIES)
    assert KEPT.keys() == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_golden_and_its_equal(name, opened):
    kept = KEPT[name]
    checkpoint, context = opened(CASES[name], kept["seed"])
    found = answers(GoldenModel(checkpoint, context), kept)
    error = errors(found, kept)
    assert error.mean() <= MEAN_ERROR and error.max() <= LARGEST_ERROR <= GAP / 2 and kept["gap"] >= GAP
    assert found.argmax(axis=1).tolist() == kept["tokens"]
    equal = answers(FastModel(checkpoint, context), kept)
    assert np.array_equal(equal.view(np.uint32), found.view(np.uint32))


@pytest.mark.parametrize("name", CASES)
def test_every_rule_counts(name, opened):
    kept = KEPT[name]
    checkpoint, context = opened(CASES[name], kept["seed"])
    shape = checkpoint.shape.at(context)
    rotated = any(kind.rotation for kind in shape.kinds)
    for what, other in alterations(shape):
        if not rotated and set(shape.biases) - set(other.biases) == {"attn_k"}:
            continue  # it adds the same to all scores of a query
        positions = checkpoint.positions if other.learned_positions else None
        without = FastModel(replace(checkpoint, shape=other, positions=positions), context)
        error = errors(answers(without, kept), kept)
        assert error.mean() >= LEFT_OUT, what


@pytest.mark.parametrize("name", UNASKED)
def test_golden_against_float64(name, opened):
    """Where llama.cpp has no answer."""
    ids = np.array(prompt(seed=2))
    checkpoint, context = opened(UNASKED[name], seed=2)
    tensors = float_tensors(checkpoint)
    found, expected = GoldenModel(checkpoint, context).forward(ids, 0), reference_logits(checkpoint.shape, tensors, ids)
    assert np.abs(found - expected).mean() <= MEAN_ERROR * expected.std()
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.9
    equal = FastModel(checkpoint, context).forward(ids, 0)
    assert np.array_equal(equal.view(np.uint32), found.view(np.uint32))
    for what, other in alterations(checkpoint.shape):
        assert np.abs(found - reference_logits(other, tensors, ids)).mean() >= LEFT_OUT * expected.std(), what


def test_a_family_that_llama_cpp_does_not_know_is_one_that_it_does(tmp_path):
    """The same weights under Granite's name, the logits' factor as its divisor: the same model."""
    case = UNASKED["hyperclovax"]
    ours, theirs = (load(write_case(replace(case, family=family), 2, tmp_path / f"{family}.gguf"))
                    for family in (case.family, "granite"))
    assert ours.shape == theirs.shape
    ids = prompt(seed=2)
    first, second = (GoldenModel(checkpoint, 64).forward(ids, 0) for checkpoint in (ours, theirs))
    assert np.array_equal(first, second)


def test_the_page_has_the_figures():
    found = json.loads((DOCS / "figures" / "families.json").read_text())
    assert found["cases"].keys() == CASES.keys()
    assert table(found) in (DOCS / "reference" / "families.md").read_text()


@pytest.mark.oracle
def test_kept_answers_are_those_of_llama_cpp():
    for name, kept in KEPT.items():
        fresh = answer(CASES[name], kept["seed"])
        assert (fresh["ids"], fresh["tokens"]) == (kept["ids"], kept["tokens"]), name
        assert abs(fresh["gap"] - kept["gap"]) < 0.01, name
