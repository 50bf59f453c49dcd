"""Descriptions that among them have every rule; for tests of what walks them in floats."""

import pytest
from dojang.checkpoints import Activation, LayerKind, ModelShape, Norm, QKNorm, Rotation
from dojang.checkpoints.shape import NORMS

SIZES = {"layers": 2, "d": 96, "heads": 4, "kv_heads": 2, "head_dim": 32, "ffn": 160, "vocab": 130, "context": 40}

TURNED, WINDOW = LayerKind(Rotation(500.0)), LayerKind(Rotation(50.0, magnitude=1.25), window=7)


def described(**rules) -> ModelShape:
    return ModelShape(**{**SIZES, **rules})


DESCRIPTIONS = {
    "plain": described(kinds=(TURNED,)),
    "biases, gates of GELU": described(biases=("attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"),
                                   activation=Activation.GELU_TANH, tied=True, kinds=(TURNED,)),
    "centred, learned positions": described(
        norm=Norm(1e-3, centred=True, bias=True), kinds=(LayerKind(None),), learned_positions=True, gated=False,
        activation=Activation.GELU_ERF,
        biases=("attn_q", "attn_v", "attn_output", "ffn_up", "ffn_down"), kv_heads=4),  # of k cancels unless turned
    "four norms, caps, windows": described(norms=NORMS, kinds=(WINDOW, TURNED), pattern=(0, 1), qk_norm=QKNorm.HEAD,
                                       score_cap=2.0, logit_cap=3.0, embedding_scale=3.0, gated=True,
                                       activation=Activation.GELU_TANH),
    "norms behind only": described(norms=("post_attention_norm", "post_ffw_norm"), qk_norm=QKNorm.VECTOR,
                               kinds=(TURNED, LayerKind(None)), pattern=(1, 0), kv_heads=1, biases=("attn_output",)),
    "multipliers, partial rotation": described(head_dim=64, key_dim=48, value_dim=36, norm=Norm(1e-2), score_scale=0.3,
                                           kinds=(LayerKind(Rotation(500.0, 24, (2.0,) * 12)),), residual_scale=0.4,
                                           logit_scale=0.25, embedding_scale=2.0, biases=("attn_v",)),
    "long factors, a bias behind norms": described(
        norm=Norm(bias=True), norms=("attn_norm", "ffn_norm", "post_ffw_norm"), gated=False,
        kinds=(LayerKind(Rotation(factors_long=(4.0,) * 16, original_context=20)),), biases=("ffn_up",)),
}


@pytest.fixture(params=DESCRIPTIONS)
def described_as(request):
    """Name of a description."""
    return request.param


@pytest.fixture
def description(described_as):
    """The description of that name."""
    return DESCRIPTIONS[described_as]
