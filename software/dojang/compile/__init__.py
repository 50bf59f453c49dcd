"""Compiler: lays a model out in the channels' memory and writes the nodes' programs."""

from .capacity import Capacity, capacity
from .compiler import compile_model
from .errors import CompileError
from .image import Image, LogitSlice, RunParameters
from .memory_map import MapEntry, memory_map
from .program import Phase, Program
from .regions import Region
from .writer import GATHER_TAGS

__all__ = ["GATHER_TAGS", "Capacity", "CompileError", "Image", "LogitSlice", "MapEntry", "Phase", "Program", "Region",
           "RunParameters", "capacity", "compile_model", "memory_map"]
