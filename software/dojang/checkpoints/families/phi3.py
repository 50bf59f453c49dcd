"""Phi 3, 3.5 and 4: a Llama with fused projections, of which a part of each head may be rotated.

Factors for short and long contexts count whether or not ``rope.scaling.type`` says so, which converters leave out.
A sliding window counts as the published models have it, in every layer. llama.cpp ignores the key, since some files
have a value that was not meant; its numbers differ behind the window only, in practice in the first Phi 3 with 2047.
"""

from .family import QKV, Family

PHI3 = Family("phi3", ("Phi3ForCausalLM",), halves=True, longrope=True,
              fused={**QKV, "ffn_up": ("ffn_gate", "ffn_up")})
