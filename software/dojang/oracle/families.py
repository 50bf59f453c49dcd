"""Answers of llama.cpp on random models of every family, as JSON (needs the extra ``oracle``).

    python -m dojang.oracle.families tests/sim/golden/data/families_oracle.json docs/figures/families.json

Keys of the first file: ``versions``; ``cases``, by name, each with ``seed`` (of weights and prompt), ``ids`` (of the
prompt), ``tokens`` (greedy), ``deviation`` (of the logits that each token was the best of), ``gap`` (the least between
best and second one, in deviations) and ``logits`` (`reference.pack_logits` of them, in deviations).
The second has how far the golden model is from them, by case; `table` shows it.
"""

import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
import typer

from ..checkpoints.synthetic import write_synthetic
from .cases import CASES, VOCAB, Case
from .reference import LlamaCpp, pack_logits, unpack_logits

__all__ = ["GAP", "answer", "answers", "errors", "make_reference", "prompt", "table", "write_case"]

PROMPT, TOKENS = 40, 4

GAP = 0.2
"""Seeds are tried until no two best logits are nearer than so many deviations of the logits."""


def write_case(case: Case, seed: int, path: Path) -> Path:
    """The model of a case, as a GGUF file with Q8_0 matrices."""
    return write_synthetic(path, case.shape, "Q8_0", seed=seed, keys=case.keys, sharpness=case.sharpness,
                           family=case.family, spread=case.spread)


def prompt(seed: int) -> list[int]:
    """Ids that llama.cpp is given with the model of a seed."""
    return np.random.default_rng(seed).integers(0, VOCAB, PROMPT).tolist()


def answer(case: Case, seed: int) -> dict:
    """An entry of the JSON."""
    ids = prompt(seed)
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
    """The JSON's contents; about a minute on one core."""
    cases = {name: next(found for seed in count() if (found := answer(case, seed))["gap"] >= GAP)
             for name, case in CASES.items()}
    names = ("llama-cpp-python", "gguf", "numpy")
    return {"versions": {name: version(name) for name in names}, "cases": cases}


def answers(model, kept: Mapping) -> np.ndarray:
    """Logits that the kept tokens should be the best of, by a `GoldenModel` or its equal."""
    ids, tokens = kept["ids"], kept["tokens"]
    return model.forward(ids + tokens[:-1], 0)[len(ids) - 1:]


def errors(found: np.ndarray, kept: Mapping) -> np.ndarray:
    """Of `answers`, in deviations of the kept logits."""
    return np.abs(found / kept["deviation"] - unpack_logits(kept["logits"], len(kept["tokens"])))


def figures(reference: Mapping) -> dict:
    """The golden model's errors by case: ``mean`` and ``largest``, in deviations, and ``same_tokens``."""
    from dojang_sim.golden.model import GoldenModel

    from dojang.checkpoints import load

    result = {}
    for name, kept in reference["cases"].items():
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = load(write_case(CASES[name], kept["seed"], Path(folder) / "m.gguf"))
            found = answers(GoldenModel(checkpoint, CASES[name].context), kept)
        error = errors(found, kept)
        result[name] = {"family": CASES[name].family, "mean": round(float(error.mean()), 5),
                        "largest": round(float(error.max()), 4),
                        "same_tokens": bool((found.argmax(axis=1) == kept["tokens"]).all())}
    return {"reference": reference["versions"], "cases": result}


def table(found: Mapping) -> str:
    """The figures as docs/reference/families.md has them."""
    rows = [f"| {name} | {case['mean']:.4f} | {case['largest']:.3f} | {'yes' if case['same_tokens'] else 'no'} |"
            for name, case in found["cases"].items()]
    return "\n".join(["| model | mean error of a logit | largest | same tokens |", "|---|--:|--:|---|", *rows])


def main(target: str, figures_path: str) -> None:
    reference = make_reference()
    Path(target).write_text(json.dumps(reference, separators=(",", ":")) + "\n")
    found = figures(reference)
    Path(figures_path).write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))


if __name__ == "__main__":
    typer.run(main)
