"""Answers of llama.cpp on random models of every rotary rule and head size, as JSON (needs the extra ``oracle``).

    python -m dojang.oracle.rotary tests/sim/golden/data/rotary_oracle.json

Keys: ``versions``; ``cases``, by name, each with ``seed`` (of weights and prompt), ``ids`` (of the prompt), ``tokens``
(greedy), ``gap`` (the least between best and second logit) and ``logits`` (`reference.pack_logits` of the logits that
each token was the best of). llama.cpp has no word for ``attention.scale`` and for rotary sizes below the head's in this
architecture; nor do its heads' values differ in size from their keys.
"""

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import typer

from ..checkpoints import LayerKind, ModelShape, Norm, Rotation
from ..checkpoints.synthetic import write_synthetic
from .reference import LlamaCpp, pack_logits

__all__ = ["CASES", "Case", "answer", "make_reference", "write_case"]

VOCAB, PROMPT, TOKENS = 96, 40, 3
GAP = 0.2
"""Seeds are tried until no two best logits are nearer than this."""

SHARPNESS = 2.0
"""So much that another rule gives other tokens."""


@dataclass(frozen=True)
class Case:
    """A model, and what llama.cpp must be told of it.

    Parameters
    ----------
    size, heads: of a head; how many.
    rotation: fields of the model's `Rotation`.
    keys: further metadata, without ``llama.``.
    context: positions to reserve, a multiple of 256 as llama.cpp rounds them up.
    parameters: of its context, for keys that it reads for other architectures only.
    """

    size: int = 32
    heads: int = 2
    rotation: Mapping[str, Any] = field(default_factory=dict)
    keys: Mapping[str, int | float | str] = field(default_factory=dict)
    context: int = 256
    parameters: Mapping[str, float] = field(default_factory=dict)

    @property
    def shape(self) -> ModelShape:
        return ModelShape(**{"layers": 2, "d": 64, "heads": self.heads, "kv_heads": self.heads // 2, "ffn": 96,
                             "head_dim": math.ceil(self.size / 32) * 32, "key_dim": self.size, "vocab": VOCAB,
                             "context": 1024, "norm": Norm(2.0 ** -17),
                             "kinds": (LayerKind(Rotation(**self.rotation)),)})


def _scaling(kind: str | None, factor: float, **others: int | float) -> dict[str, int | float | str]:
    keys = {"type": kind, "factor": factor, **others}
    return {f"rope.scaling.{key}": value for key, value in keys.items() if value is not None}


THIRDS = tuple(1 + i / 4 for i in range(16))
LONGROPE = {"factors": (1.0,) * 8 + (1.25,) * 8, "factors_long": (1.5,) * 8 + (8.0,) * 8,
            "original_context": 300}
BETAS = {"yarn_beta_fast": 8.0, "yarn_beta_slow": 2.0}

CASES = {
    "plain": Case(),
    "base": Case(rotation={"base": 5e5}),
    "linear": Case(keys=_scaling("linear", 4.0)),
    "factor without a type": Case(keys=_scaling(None, 2.5)),
    "older key": Case(keys={"rope.scale_linear": 4.0}),
    "both keys": Case(keys={"rope.scale_linear": 4.0, **_scaling(None, 2.0)}),
    "factor of a type none": Case(keys=_scaling("none", 4.0)),
    "factor 0": Case(keys=_scaling("linear", 0.0)),
    "factors": Case(rotation={"factors": THIRDS}),
    "factors, linear": Case(rotation={"factors": THIRDS}, keys=_scaling("linear", 4.0)),
    "magnitude": Case(rotation={"magnitude": 1.25}),
    "yarn": Case(keys=_scaling("yarn", 4.0, original_context_length=256)),
    "yarn of the whole context": Case(keys=_scaling("yarn", 4.0)),
    "yarn, factor below 1": Case(keys=_scaling("yarn", 0.5, original_context_length=256)),
    "yarn, magnitude": Case(rotation={"magnitude": 1.25}, keys=_scaling("yarn", 4.0, original_context_length=64)),
    "yarn, factors": Case(rotation={"factors": THIRDS}, keys=_scaling("yarn", 4.0, original_context_length=256)),
    "yarn, betas": Case(keys=_scaling("yarn", 8.0, original_context_length=256, **BETAS), parameters=BETAS),
    "yarn, half extrapolated": Case(keys=_scaling("yarn", 4.0, original_context_length=256, yarn_ext_factor=0.5),
                                    parameters={"yarn_ext_factor": 0.5}),
    "yarn, not extrapolated": Case(
        keys=_scaling("yarn", 4.0, yarn_ext_factor=0.0, yarn_attn_factor=1.25),
        parameters={"yarn_ext_factor": 0.0, "yarn_attn_factor": 1.25}),
    "longrope, short": Case(rotation=LONGROPE),
    "longrope, long": Case(rotation=LONGROPE, context=512),
    "longrope, factor, magnitude": Case(rotation={**LONGROPE, "magnitude": 1.125},
                                        keys={"rope.scaling.factor": 2.0}, context=512),
    "longrope without factors": Case(keys=_scaling("longrope", 2.0)),
    "heads of 48": Case(48, 2), "heads of 80": Case(80, 2), "heads of 96": Case(96, 2), "heads of 100": Case(100, 8),
    "heads of 48, yarn": Case(48, 4, keys=_scaling("yarn", 4.0, original_context_length=128)),
}


def write_case(case: Case, seed: int, path: Path) -> Path:
    """The model of a case, as a GGUF file with Q8_0 matrices."""
    return write_synthetic(path, case.shape, "Q8_0", seed=seed, keys=case.keys, sharpness=SHARPNESS)


def answer(case: Case, seed: int) -> dict:
    """An entry of the JSON."""
    ids = np.random.default_rng(seed).integers(0, VOCAB, PROMPT).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = write_case(case, seed, Path(folder) / "model.gguf")
        model = LlamaCpp(path, case.context, vocabulary=False, **case.parameters)
    tokens, logits = model.greedy(ids, TOKENS)
    best = np.partition(logits, -2, axis=1)[:, -2:]
    return {"seed": seed, "ids": ids, "tokens": tokens, "gap": round(float((best[:, 1] - best[:, 0]).min()), 4),
            "logits": pack_logits(logits)}


def make_reference() -> dict:
    """The JSON's contents."""
    cases = {name: next(found for seed in count() if (found := answer(case, seed))["gap"] >= GAP)
             for name, case in CASES.items()}
    names = ("llama-cpp-python", "gguf", "numpy")
    return {"versions": {name: version(name) for name in names}, "cases": cases}


def main(target: str) -> None:
    Path(target).write_text(json.dumps(make_reference(), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    typer.run(main)
