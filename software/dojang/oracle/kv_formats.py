"""What storing keys and values in few bits costs: a plain FP32 forward pass with the cache rounded in several ways.

    python -m dojang.oracle.kv_formats tests/sim/golden/data/smollm2_oracle.json docs/figures/kv_formats.json

Figures are against the same pass with an exact cache and FP32 activations, on the first tokens of the perplexity text's
windows and on the reference's prompts with their greedy tokens. Activations are FP16 as on the chip.
"""

import json
import sys
from pathlib import Path

import numpy as np

from dojang.checkpoints import load

from .reference import log_softmax, negative_log_likelihood

LENGTH = 256


def fp16(x):
    return x.astype(np.float16).astype(np.float32)


def exact(x):
    return x


def integers(group, bits=8, terms=1, scale=exact):
    """Round to `terms` symmetric integers of `bits` per element, each with a scale per `group` elements."""
    limit = (1 << bits - 1) - 1

    def convert(x):
        rest = x.reshape(*x.shape[:-1], -1, group)
        total = np.zeros_like(rest)
        for _ in range(terms):
            s = scale(np.abs(rest).max(axis=-1, keepdims=True) / np.float32(limit))
            term = np.rint(rest / np.where(s == 0, np.inf, s)) * s
            rest, total = rest - term, total + term
        return total.reshape(x.shape).astype(np.float32)

    return convert


VARIANTS = {
    "exact": (exact, exact),
    "K, V FP16": (fp16, fp16),
    "K INT8 groups of 32, V INT8 per head": (integers(32, scale=fp16), integers(64)),
    "K, V INT8 groups of 16": (integers(16, scale=fp16), integers(16, scale=fp16)),
    "K, V INT8 per head": (integers(64), integers(64)),
    "K 12 bit groups of 32, V 12 bit per head": (integers(32, 12, scale=fp16), integers(64, 12)),
    "K two INT8 terms, V INT8 per head": (integers(32, terms=2, scale=fp16), integers(64)),
    "K, V two INT8 terms": (integers(32, terms=2, scale=fp16), integers(64, terms=2)),
}


class PlainLlama:
    """FP32 forward pass with dequantised weights, without any of the chip's arithmetic."""

    def __init__(self, checkpoint):
        self.checkpoint, self.shape = checkpoint, checkpoint.shape
        self.layers = [{name: layer.matrix(name).dequantize().T for name in self.shape.matrices()}
                       for layer in checkpoint.layers]
        self.head = checkpoint.head.dequantize().T

    def norm(self, x, gain):
        mean = np.square(x, dtype=np.float64).mean(axis=-1, keepdims=True)
        return (x / np.sqrt(mean + self.shape.norm.eps)).astype(np.float32) * gain

    def rotate(self, x):
        size = self.shape.head_dim
        theta = self.shape.kinds[0].rotation.base ** (-np.arange(0, size, 2) / size)
        angle = np.arange(len(x))[:, None, None] * theta
        turned = (x[..., 0::2] + 1j * x[..., 1::2]) * np.exp(1j * angle)
        return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape).astype(np.float32)

    def forward(self, tokens, keys=exact, values=exact, activations=fp16):
        """Logits [len(tokens), vocab]."""
        shape, count = self.shape, len(tokens)
        future = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        x = self.checkpoint.embedding[tokens]
        for layer, matrices in zip(self.checkpoint.layers, self.layers, strict=True):
            h = activations(self.norm(x, layer.vector("attn_norm.weight")))
            q, k, v = ((h @ matrices[f"attn_{name}"]).reshape(count, -1, shape.head_dim) for name in "qkv")
            q, k, v = activations(self.rotate(q)), keys(self.rotate(k)), values(v)
            k, v = k.repeat(shape.group, axis=1), v.repeat(shape.group, axis=1)
            score = q.swapaxes(0, 1) @ k.transpose(1, 2, 0) / np.float32(np.sqrt(shape.head_dim)) + future
            weight = np.exp(score - score.max(axis=-1, keepdims=True))
            weight /= weight.sum(axis=-1, keepdims=True)
            o = activations((weight @ v.swapaxes(0, 1)).swapaxes(0, 1).reshape(count, -1))
            x = x + o @ matrices["attn_output"]
            h = activations(self.norm(x, layer.vector("ffn_norm.weight")))
            gate = h @ matrices["ffn_gate"]
            a = activations(gate / (1 + np.exp(-gate)) * (h @ matrices["ffn_up"]))
            x = x + a @ matrices["ffn_down"]
        return activations(self.norm(x, self.checkpoint.vector("output_norm.weight"))) @ self.head


def measure(model: PlainLlama, reference: dict) -> dict:
    text = reference["perplexity"]
    parts = [text["ids"][at:at + LENGTH] for at in range(0, len(text["ids"]), text["window"])]
    prompts = [prompt["ids"] + prompt["tokens"] for prompt in reference["prompts"]]
    result = {name: {"text": [], "prompts": [], "kl": [], "nll": []} for name in VARIANTS}
    for ids in parts + prompts:
        expected = model.forward(ids, activations=exact)
        p = log_softmax(expected)
        for name, (keys, values) in VARIANTS.items():
            logits, row = model.forward(ids, keys, values), result[name]
            row["text" if len(ids) == LENGTH else "prompts"].append(np.abs(logits - expected).mean())
            if len(ids) == LENGTH:
                row["kl"].append((np.exp(p) * (p - log_softmax(logits))).sum(axis=1).mean())
                change = negative_log_likelihood(logits, ids) - negative_log_likelihood(expected, ids)
                row["nll"].append(change.mean())
    return {name: {"text_logit_error": round(float(np.mean(row["text"])), 4),
                   "prompts_logit_error": round(float(np.mean(row["prompts"])), 4),
                   "worst_prompt_logit_error": round(float(np.max(row["prompts"])), 4),
                   "kl": float(f"{np.mean(row['kl']):.2g}"),
                   "perplexity_change_percent": round(float(100 * np.expm1(np.mean(row["nll"]))), 3)}
            for name, row in result.items()}


def main(reference_path: str, target: str) -> None:
    reference = json.loads(Path(reference_path).read_text())
    result = measure(PlainLlama(load("smollm2")), reference)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
