"""Small models of every family that llama.cpp is asked about: each has every kind of layer that the family has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..checkpoints import LayerKind, ModelShape, Norm, Rotation
from ..checkpoints.rules import Activation, QKNorm
from ..checkpoints.shape import NORMS

__all__ = ["CASES", "UNASKED", "VOCAB", "Case"]

VOCAB = 96

EPS = 2.0 ** -17

WINDOW = 12
"""Positions of a windowed layer, fewer than the prompt's."""


@dataclass(frozen=True)
class Case:
    """A model, and what llama.cpp must be told of it.

    Parameters
    ----------
    family: ``general.architecture``.
    shape: its description, which the file is written of.
    keys: further metadata.
    read: the description that the file must give; `shape` if None.
    context: positions to reserve, a multiple of 256 as llama.cpp rounds them up.
    sharpness: of `write_synthetic`; so much that attention decides.
    """

    family: str
    shape: ModelShape
    keys: Mapping[str, int | float | str | list[bool]] = field(default_factory=dict)
    read: ModelShape | None = None
    context: int = 256
    sharpness: float = 2.0

    @property
    def spread(self) -> float:
        """Of `write_synthetic`: a head that is the embedding would mostly see the token itself."""
        return 0.125 if self.shape.tied else 1.0

    @property
    def expected(self) -> ModelShape:
        """The description that a reader must find."""
        return self.read or self.shape


def shaped(layers: int = 2, key: int = 16, heads: int = 4, kv_heads: int = 2, d: int = 64, **others) -> ModelShape:
    return ModelShape(**{"layers": layers, "d": d, "heads": heads, "kv_heads": kv_heads, "ffn": 96, "vocab": VOCAB,
                         "head_dim": math.ceil(key / 32) * 32, "key_dim": key, "context": 512, "norm": Norm(EPS),
                         **others})


def kinds(*turns: LayerKind, layers: int = 0, pattern: tuple[int, ...] = ()) -> dict:
    """Fields of a shape whose layers take turns, or follow ``pattern``."""
    return {"layers": layers or len(pattern), "kinds": turns,
            "pattern": pattern or tuple(layer % len(turns) for layer in range(layers))}


QKV = ("attn_q", "attn_k", "attn_v")
BEFORE, AFTER = ("attn_norm", "ffn_norm"), ("post_attention_norm", "post_ffw_norm")
GEMMA = {"key": 32, "d": 96, "tied": True, "norms": NORMS, "activation": Activation.GELU_TANH,
         "embedding_scale": math.sqrt(96)}
HEADS: dict[str, Any] = {"qk_norm": QKNorm.HEAD}
GLOBAL, LOCAL = LayerKind(Rotation(1e6)), LayerKind(Rotation(1e4), WINDOW)
GPT2 = {"kv_heads": 4, "context": 256, "norm": Norm(EPS, centred=True, bias=True), "kinds": (LayerKind(None),),
        "learned_positions": True, "gated": False, "activation": Activation.GELU_TANH,
        "biases": (*QKV, "attn_output", "ffn_up", "ffn_down")}
STABLELM = {"norm": Norm(EPS, centred=True, bias=True), "kinds": (LayerKind(Rotation(dim=4)),)}
OLMO2 = {"qk_norm": QKNorm.VECTOR, "norms": AFTER}
LONGROPE = {"factors": tuple(1 + i / 8 for i in range(6)), "factors_long": tuple(1.5 + i for i in range(6)),
            "original_context": 300, "magnitude": 1.125, "dim": 12}
YARN = {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 128}

CASES = {
    "llama": Case("llama", shaped(key=32)),
    "llama, biases": Case("llama", shaped(key=32, tied=True,
                                          biases=(*QKV, "attn_output", "ffn_gate", "ffn_up", "ffn_down"))),
    "smollm3": Case("smollm3", shaped(tied=True, **kinds(LayerKind(Rotation(2e6)), LayerKind(None),
                                                         pattern=(0, 0, 0, 1, 0))), sharpness=1.5),
    "qwen2": Case("qwen2", shaped(biases=QKV, kinds=(LayerKind(Rotation(1e6)),))),
    "qwen2, tied": Case("qwen2", shaped(biases=QKV, tied=True)),
    "qwen3": Case("qwen3", shaped(key=32, qk_norm=QKNorm.HEAD, tied=True, kinds=(LayerKind(Rotation(1e6)),))),
    "phi3": Case("phi3", shaped()),
    "phi3, short texts": Case("phi3", shaped(kinds=(LayerKind(Rotation(**LONGROPE)),))),
    "phi3, long texts": Case("phi3", shaped(kinds=(LayerKind(Rotation(**LONGROPE)),)), context=512),
    "gemma": Case("gemma", shaped(**{**GEMMA, "norms": BEFORE})),
    "gemma2": Case("gemma2", shaped(**GEMMA, score_cap=3.0, logit_cap=0.1875,
                                    **kinds(LayerKind(window=WINDOW), LayerKind(), layers=4))),
    "gemma2, 46 layers": Case("gemma2", shaped(**GEMMA, score_cap=3.0, logit_cap=0.1875, score_scale=1 / math.sqrt(24),
                                               **kinds(LayerKind(window=WINDOW), LayerKind(), layers=46)),
                              sharpness=1.0),
    "gemma3": Case("gemma3", shaped(**GEMMA, **HEADS,
                                    **kinds(LOCAL, GLOBAL, pattern=(0, 0, 0, 0, 0, 1))), sharpness=1.5),
    "gemma3, a pattern": Case("gemma3", shaped(**GEMMA, **HEADS, logit_cap=0.1875,
                                               **kinds(LOCAL, GLOBAL, pattern=(0, 1, 0)))),
    "gemma3, no window": Case("gemma3", shaped(**GEMMA, **HEADS, kinds=(GLOBAL,))),
    "gemma3, longer texts": Case(
        "gemma3", shaped(**GEMMA, **HEADS, **kinds(LOCAL, GLOBAL, pattern=(0, 1, 0))),
        {"rope.scaling.type": "linear", "rope.scaling.factor": 8.0},
        shaped(**GEMMA, **HEADS, **kinds(LOCAL, LayerKind(Rotation(1e6, factors=(8.0,) * 16)), pattern=(0, 1, 0)))),
    "granite": Case("granite", shaped(tied=True, embedding_scale=12.0, residual_scale=0.75, logit_scale=0.125,
                                      score_scale=0.125)),
    "granite, biases": Case("granite", shaped(biases=(*QKV, "attn_output"), embedding_scale=6.0, residual_scale=0.21875,
                                              logit_scale=0.5, score_scale=0.375)),
    "gpt2": Case("gpt2", shaped(tied=True, **GPT2)),
    "gpt2, untied": Case("gpt2", shaped(**GPT2)),
    "stablelm": Case("stablelm", shaped(**STABLELM)),
    "stablelm, biases": Case("stablelm", shaped(biases=QKV, **STABLELM)),
    "olmo2": Case("olmo2", shaped(**OLMO2, kinds=(LayerKind(Rotation(5e5)),))),
    "olmo2, windows": Case("olmo2", shaped(**OLMO2, **kinds(LayerKind(Rotation(5e5), WINDOW), LayerKind(Rotation(5e5)),
                                                            pattern=(0, 0, 0, 1)))),
}

UNASKED = {
    "llama, a window": Case("llama", shaped(key=32, kinds=(LayerKind(window=WINDOW),))),
    "phi3, a window": Case("phi3", shaped(kinds=(LayerKind(window=WINDOW),))),
    "hyperclovax": Case("hyperclovax", shaped(key=32, embedding_scale=10.0, residual_scale=0.21875, logit_scale=0.125,
                                              score_scale=0.125)),
    "hyperclovax, norms behind": Case("hyperclovax", shaped(norms=NORMS, embedding_scale=10.0, residual_scale=0.75,
                                                            logit_scale=2.0, score_scale=0.375)),
}
"""Where llama.cpp has no answer, or leaves out what the published models compute: it knows no windows of these
families, and no hyperclovax.
"""
