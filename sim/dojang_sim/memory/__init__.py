"""Simulated memories behind the memory port."""

from .model import SOURCES, IdealMemory, SramMemory

__all__ = ["SOURCES", "IdealMemory", "SramMemory"]
