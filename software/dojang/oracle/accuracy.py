"""How far the golden model is from the reference, and the figures file made of it.

    python -m dojang.oracle.accuracy tests/sim/golden/data/smollm2_oracle.json docs/figures/accuracy.json
"""

import json
from pathlib import Path

import numpy as np
import typer

from .reference import negative_log_likelihood, unpack_logits

GAP = 0.25
"""Where the reference's two best logits are nearer than this, another token is no error."""


def compare_prompt(model, prompt: dict, logit_ids) -> dict:
    """Greedy comparison of a golden `GoldenModel` with one prompt of the reference.

    The reference's own tokens are fed, all at once: every position is compared, also after a first difference. A
    batch's logits equal one-by-one decoding bit for bit, so up to there it is what free decoding gives.
    Returns ``logit_error`` (mean absolute, over the kept ids), ``different`` (positions whose best token differs) and
    ``errors`` (those of them where the reference's gap is at least `GAP`).
    """
    tokens = prompt["tokens"]
    start = len(prompt["ids"]) - 1
    logits = model.forward(prompt["ids"] + tokens[:-1], 0)[start:]
    different = np.flatnonzero(logits.argmax(axis=1) != tokens)
    kept = unpack_logits(prompt["logits"], len(tokens))
    return {"logit_error": float(np.abs(logits[:, logit_ids] - kept).mean()), "different": different.tolist(),
            "errors": [int(at) for at in different if prompt["gaps"][at] >= GAP]}


def compare_perplexity(model, text: dict, windows: int, length: int | None = None) -> dict:
    """Perplexities of reference and golden on the first `length` ids of the first `windows` windows."""
    size, golden, reference = text["window"], [], []
    length = length or size
    for index in range(windows):
        ids = text["ids"][index * size:index * size + length]
        golden.append(negative_log_likelihood(model.forward(ids, 0), ids))
        reference.append(text["nll"][index][:length - 1])
    ours, theirs = np.mean(golden), np.mean(reference)
    return {"tokens": windows * length, "reference": float(np.exp(theirs)), "golden": float(np.exp(ours)),
            "change_percent": float(100 * np.expm1(ours - theirs))}


def figures(model, reference: dict, name: str = "SmolLM2-135M-Instruct Q4_1") -> dict:
    """Everything there is to compare; about three minutes on one core."""
    prompts = [compare_prompt(model, prompt, reference["logit_ids"]) for prompt in reference["prompts"]]
    text = reference["perplexity"]
    return {"model": name, "reference": reference["versions"],
            "mean_logit_error": round(float(np.mean([p["logit_error"] for p in prompts])), 5),
            "prompts": [{"text": prompt["text"], "tokens": len(prompt["tokens"]),
                         "mean_logit_error": round(p["logit_error"], 5), "different_tokens": len(p["different"]),
                         "smallest_gap_of_different": min((prompt["gaps"][at] for at in p["different"]), default=None)}
                        for prompt, p in zip(reference["prompts"], prompts, strict=True)],
            "perplexity": {key: round(value, 4) for key, value in
                           compare_perplexity(model, text, len(text["nll"])).items()}}


def main(reference_path: str, target: str) -> None:
    from dojang_sim.golden.model import GoldenModel

    from dojang.checkpoints import load

    reference = json.loads(Path(reference_path).read_text())
    result = figures(GoldenModel(load("smollm2"), reference["perplexity"]["window"]), reference)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("mean_logit_error", "perplexity")}))


if __name__ == "__main__":
    typer.run(main)
