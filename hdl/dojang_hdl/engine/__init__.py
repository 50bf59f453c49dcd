"""The compressed-weight engine: bit-planes of weights against aligned activations (docs/reference/engine.md)."""

from .engine import Engine, GemvCommand

__all__ = ["Engine", "GemvCommand"]
