"""GPT-2: LayerNorm, biases everywhere, learned positions, and one matrix in front of the activation."""

from ..rules import Activation, Norm
from .family import Family

GPT2 = Family("gpt2", ("GPT2LMHeadModel",), norm=Norm(centred=True, bias=True),
              biases=("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down"), gated=False,
              activation=Activation.GELU_TANH, learned_positions=True, rotary=False)
