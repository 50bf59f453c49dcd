"""What ``dojang inspect`` says of a description: sizes always, rules where they are not the usual ones."""

from dataclasses import replace

import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Norm, QKNorm, Rotation
from dojang.cli.shape_rows import shape_rows

PLAIN = ModelShape(6, 64, 4, 2, 32, 96, 70, 128)
ALWAYS = {"layers": "6", "embedding d": "64", "heads × KV heads × size": "4 × 2 × 32", "FFN": "96", "vocabulary": "70",
          "context": "128", "RMS eps": "1e-05", "rotated elements": "32", "rotary base": "10000",
          "rotary frequency factors": "none", "rotary magnitude": "1", "score scale": "0.176777", "head": "own matrix"}
LONG = Rotation(5e4, 16, (1.0, 2.0) * 4, 1.25, (3.0, 4.0) * 4, 64)


def test_what_is_usual_is_not_said():
    assert dict(shape_rows(PLAIN)) == ALWAYS


@pytest.mark.parametrize("fields, rows", [
    ({"norm": Norm(1e-6, centred=True, bias=True)}, {"RMS eps": None, "LayerNorm eps": "1e-06, with a bias"}),
    ({"norms": ("post_attention_norm", "post_ffw_norm")}, {"norms of a layer": "after attention, after the FFN"}),
    ({"norms": ()}, {"norms of a layer": "none"}),
    ({"qk_norm": QKNorm.HEAD}, {"queries and keys": "normalised by head"}),
    ({"qk_norm": QKNorm.VECTOR}, {"queries and keys": "normalised over all heads"}),
    ({"biases": ("attn_q", "ffn_down")}, {"biases": "attn_q, ffn_down"}),
    ({"activation": Activation.GELU_TANH}, {"FFN": "96, gelu_tanh"}),
    ({"gated": False, "activation": Activation.GELU_ERF}, {"FFN": "96, gelu_erf, not gated"}),
    ({"gated": False}, {"FFN": "96, silu, not gated"}),
    ({"learned_positions": True}, {"context": "128, a learned vector for each position"}),
    ({"score_cap": 50.0, "logit_cap": 30.0}, {"score cap": "50", "logit cap": "30"}),
    ({"embedding_scale": 8.0, "residual_scale": 0.25, "logit_scale": 0.125},
     {"embedding factor": "8", "layer output factor": "0.25", "logit factor": "0.125"}),
    ({"kinds": (LayerKind(window=32),)}, {"window": "32 positions"}),
    ({"kinds": (LayerKind(None),)},
     {"rotary embedding": "none", **dict.fromkeys([name for name in ALWAYS if name.startswith("rota")])}),
    ({"kinds": (LayerKind(LONG),)},
     {"rotated elements": "16", "rotary base": "50000", "rotary magnitude": "1.25",
      "rotary frequency factors": "1 to 2; beyond 64 positions 3 to 4"}),
    ({"kinds": (LayerKind(window=16), LayerKind(Rotation(1e6, factors=(8.0,) * 16)), LayerKind(None)),
      "pattern": (0, 0, 1, 0, 2, 0)},
     {"4 of the layers": "window 16 positions, rotated elements 32, rotary base 10000",
      "1 of the layers": "rotated elements 32, rotary base 1e+06, rotary frequency factors 8 to 8",
      " 1 of the layers": "rotary embedding none",
      **dict.fromkeys([name for name in ALWAYS if name.startswith("rota")])}),
    ({"tied": True, "value_dim": 16, "score_scale": 0.5},
     {"head": "tied to the embedding", "heads × KV heads × size": "4 × 2 × 32, values 16", "score scale": "0.5"}),
])
def test_what_is_not_usual_has_a_row(fields, rows):
    expected = {name: value for name, value in {**ALWAYS, **rows}.items() if value is not None}
    assert sorted(shape_rows(replace(PLAIN, **fields))) == sorted((name.strip(), value)
                                                                  for name, value in expected.items())
