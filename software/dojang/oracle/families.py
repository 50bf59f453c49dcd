"""Answers of llama.cpp on random models of every family, as JSON (needs the extra ``oracle``).

    python -m dojang.oracle.families tests/sim/golden/data/families_oracle.json

Keys: ``versions``; ``cases``, by name, each with ``seed`` (of weights and prompt), ``ids`` (of the prompt), ``tokens``
(greedy), ``deviation`` (of the logits that each token was the best of), ``gap`` (the least between best and second one,
in deviations) and ``logits`` (`reference.pack_logits` of them, in deviations).
"""

import json
import tempfile
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
import typer

from ..checkpoints.synthetic import write_synthetic
from .cases import CASES, VOCAB, Case
from .reference import LlamaCpp, pack_logits

__all__ = ["GAP", "answer", "make_reference", "write_case"]

PROMPT, TOKENS = 40, 4

GAP = 0.2
"""Seeds are tried until no two best logits are nearer than so many deviations of the logits."""


def write_case(case: Case, seed: int, path: Path) -> Path:
    """The model of a case, as a GGUF file with Q8_0 matrices."""
    return write_synthetic(path, case.shape, "Q8_0", seed=seed, keys=case.keys, sharpness=case.sharpness,
                           family=case.family, spread=case.spread)


def answer(case: Case, seed: int) -> dict:
    """An entry of the JSON."""
    ids = np.random.default_rng(seed).integers(0, VOCAB, PROMPT).tolist()
    with tempfile.TemporaryDirectory() as folder:
        path = write_case(case, seed, Path(folder) / "model.gguf")
        model = LlamaCpp(path, case.context, vocabulary=False)
    tokens, logits = model.greedy(ids, TOKENS)
    best = np.partition(logits, -2, axis=1)[:, -2:]
    deviation = round(float(logits.std()), 6)
    return {"seed": seed, "ids": ids, "tokens": tokens, "deviation": deviation,
            "gap": round(float((best[:, 1] - best[:, 0]).min()) / deviation, 4),
            "logits": pack_logits(logits / deviation)}


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
