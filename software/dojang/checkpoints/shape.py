"""Hyper-parameters of a Llama-family model."""

import math
from dataclasses import dataclass

from .errors import CheckpointError, shown


@dataclass(frozen=True)
class LlamaShape:
    """Validated hyper-parameters.

    Parameters
    ----------
    layers, d, heads, kv_heads, head_dim, ffn, vocab: sizes; ``heads * head_dim`` need not equal ``d``.
    context: positions the model was trained for.
    rms_eps: added to the mean square in RMSNorm.
    rope_base: base of the rotary angles; pairs are adjacent elements (2i, 2i+1).
    tied: the head is the embedding matrix.
    rope_factors: divisors of the rotary frequencies, ``head_dim / 2`` of them, or None for all ones.
    """

    layers: int
    d: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    rms_eps: float = 1e-5
    rope_base: float = 10000.0
    tied: bool = False
    rope_factors: tuple[float, ...] | None = None

    def __post_init__(self):
        def check(ok, field, expected):
            if not ok:
                raise CheckpointError(f"model has {field}={shown(getattr(self, field))}, expected {expected}")

        for field in ("layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context"):
            value = getattr(self, field)
            check(isinstance(value, int) and 0 < value < 1 << 31, field, "a positive integer")
        check(self.heads % self.kv_heads == 0, "kv_heads", f"a divisor of heads={self.heads}")
        check(self.head_dim % 32 == 0 and self.head_dim <= 512, "head_dim", "a multiple of 32 up to 512")
        check(math.isfinite(self.rms_eps) and self.rms_eps >= 0, "rms_eps", "a number of at least 0")
        check(math.isfinite(self.rope_base) and self.rope_base > 0, "rope_base", "a positive number")
        if self.rope_factors is not None:
            check(len(self.rope_factors) == self.head_dim // 2, "rope_factors", f"{self.head_dim // 2} numbers")
            check(all(math.isfinite(f) and f > 0 for f in self.rope_factors), "rope_factors", "positive numbers")

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.heads // self.kv_heads

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V cache one position takes in all layers.

        K is two INT8 terms with an FP16 scale per 32 elements each, V two INT8 terms that share an FP32 scale.
        """
        key, value = 2 * (self.head_dim + 2 * (self.head_dim // 32)), 2 * self.head_dim + 4
        return self.layers * self.kv_heads * (key + value)

    def matrices(self) -> dict[str, tuple[int, int]]:
        """(rows, columns) of a layer's matrices, by name."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        return {"attn_q": (q, self.d), "attn_k": (kv, self.d), "attn_v": (kv, self.d), "attn_output": (self.d, q),
                "ffn_gate": (self.ffn, self.d), "ffn_up": (self.ffn, self.d), "ffn_down": (self.d, self.ffn)}
