"""FP32 pipelines: one operation per cycle, no handshake, a `latency` each (docs/reference/arith.md)."""

from .add import FloatAdd
from .convert import IntToFloat, RoundTo
from .mul import FloatMul
from .special import Special

__all__ = ["FloatAdd", "FloatMul", "IntToFloat", "RoundTo", "Special"]
