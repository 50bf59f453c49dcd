"""LiteDRAM as the memory of a board: the core's text, and the adapter between it and the memory port."""

from .adapter import LiteDramMemory
from .core import LiteDramCore, Pad, core
from .dram import Dram

__all__ = ["Dram", "LiteDramCore", "LiteDramMemory", "Pad", "core"]
