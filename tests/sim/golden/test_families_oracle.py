"""Every family: the golden model and its compiled equal on random files, against llama.cpp's kept answers."""

import json
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Rotation, load
from dojang.fast import FastModel
from dojang.oracle.cases import CASES
from dojang.oracle.families import GAP, answer, write_case
from dojang.oracle.reference import unpack_logits
from dojang_sim.golden.model import GoldenModel

KEPT = json.loads((Path(__file__).parent / "data" / "families_oracle.json").read_text())["cases"]

MEAN_ERROR, LARGEST_ERROR = 0.005, 0.1
"""In deviations of the logits; a mean of 0.01 is promised."""

LEFT_OUT = 0.02
"""Mean error at least, where a rule is left out."""

PLAIN = ("score_scale", "score_cap", "qk_norm", "biases", "activation", "learned_positions", "embedding_scale",
         "residual_scale", "logit_scale", "logit_cap")
"""Fields of a shape that a model is computed without where they have their default."""


def answers(model, kept: dict) -> np.ndarray:
    """Logits that the kept tokens should be the best of."""
    ids, tokens = kept["ids"], kept["tokens"]
    return model.forward(ids + tokens[:-1], 0)[len(ids) - 1:]


def errors(found: np.ndarray, kept: dict) -> np.ndarray:
    return np.abs(found / kept["deviation"] - unpack_logits(kept["logits"], len(kept["tokens"])))


@pytest.fixture
def checkpoint_of(tmp_path):
    return lambda name: load(write_case(CASES[name], KEPT[name]["seed"], tmp_path / "m.gguf"))


@pytest.mark.parametrize("name", CASES)
def test_golden_and_its_equal(name, checkpoint_of):
    case, kept, checkpoint = CASES[name], KEPT[name], checkpoint_of(name)
    assert checkpoint.shape == case.expected
    context = min(case.context, checkpoint.shape.context)
    found = answers(GoldenModel(checkpoint, context), kept)
    error = errors(found, kept)
    assert error.mean() <= MEAN_ERROR and error.max() <= LARGEST_ERROR <= kept["gap"] / 2 and kept["gap"] >= GAP
    assert found.argmax(axis=1).tolist() == kept["tokens"]
    equal = answers(FastModel(checkpoint, context), kept)
    assert np.array_equal(equal.view(np.uint32), found.view(np.uint32))


def alterations(shape: ModelShape) -> Iterator[tuple[str, ModelShape]]:
    """Shapes that leave out, one at a time, what is unusual; each has tensors of the same sizes, or fewer."""
    usual = {field.name: field.default for field in fields(ModelShape)} | {"score_scale": 0.0}
    for name in PLAIN:
        if getattr(shape, name) != getattr(replace(shape, **{name: usual[name]}), name):
            yield name, replace(shape, **{name: usual[name]})
    rotated = any(kind.rotation for kind in shape.kinds)
    for bias in shape.biases:
        if bias != "attn_k" or rotated:  # else it adds the same to all scores of a query
            yield f"bias of {bias}", replace(shape, biases=tuple(other for other in shape.biases if other != bias))
    for norm in shape.norms:
        yield norm, replace(shape, norms=tuple(other for other in shape.norms if other != norm))
    if shape.norm.centred:
        yield "mean", replace(shape, norm=replace(shape.norm, centred=False))
        yield "biases of norms", replace(shape, norm=replace(shape.norm, bias=False))
    for at, kind in enumerate(shape.kinds):
        for label, other in changed_kinds(kind):
            changed = replace(shape, kinds=tuple(other if index == at else one
                                                 for index, one in enumerate(shape.kinds)))
            if changed != shape:
                yield f"{label} of kind {at}", changed


def changed_kinds(kind: LayerKind) -> Iterator[tuple[str, LayerKind]]:
    rotation = kind.rotation
    for window in (0, kind.window - 1, kind.window + 1) if kind.window else ():
        yield f"window {window}", replace(kind, window=window)
    yield "rotation", replace(kind, rotation=None if rotation else Rotation())
    if rotation:
        for label, other in (("base", replace(rotation, base=10 * rotation.base)), ("dim", Rotation(rotation.base)),
                             ("factors", replace(rotation, factors=None, factors_long=None, original_context=0)),
                             ("magnitude", replace(rotation, magnitude=1.0))):
            yield label, replace(kind, rotation=other)


@pytest.mark.parametrize("name", CASES)
def test_every_rule_counts(name, checkpoint_of):
    checkpoint, kept = checkpoint_of(name), KEPT[name]
    context = min(CASES[name].context, checkpoint.shape.context)
    for label, shape in alterations(checkpoint.shape):
        error = errors(answers(GoldenModel(replace(checkpoint, shape=shape), context), kept), kept)
        assert error.mean() >= LEFT_OUT, label


@pytest.mark.oracle
def test_kept_answers_are_those_of_llama_cpp():
    assert set(KEPT) == set(CASES)
    for name, kept in KEPT.items():
        fresh = answer(CASES[name], kept["seed"])
        assert (fresh["ids"], fresh["tokens"]) == (kept["ids"], kept["tokens"]), name
        assert abs(fresh["gap"] - kept["gap"]) < 0.01, name
