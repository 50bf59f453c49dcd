"""OLMo 2 and 3: norms after both parts and none before, queries and keys normalised over all heads.

The third generation has layers with a window, three of four, which are rotated without the scaling of the others.
"""

from ..rules import QKNorm
from .family import Family

OLMO2 = Family("olmo2", ("Olmo2ForCausalLM", "Olmo3ForCausalLM"), norms=("post_attention_norm", "post_ffw_norm"),
               qk_norm=QKNorm.VECTOR, halves=True, period=4, local_scaled=False)
