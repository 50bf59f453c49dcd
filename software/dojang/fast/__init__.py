"""The golden model's forward pass in compiled C++: the same logits, bit for bit, several times as fast."""

from .model import PASS, FastModel

__all__ = ["PASS", "FastModel"]
