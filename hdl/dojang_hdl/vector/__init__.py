"""The vector unit: element-wise floating point over SRAM vectors, with a reduction into a scalar file."""

from .command import VecCommand
from .unit import VectorUnit

__all__ = ["VecCommand", "VectorUnit"]
