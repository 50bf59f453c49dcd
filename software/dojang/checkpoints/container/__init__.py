"""Compressed models in a file: safetensors with a description in its metadata (docs/reference/container.md)."""

from .arrays import describe, pack, unpack
from .naming import KEY, SUFFIX, is_container
from .reading import load_container, read_description
from .writing import Contents, write_container

__all__ = ["KEY", "SUFFIX", "Contents", "describe", "is_container", "load_container", "pack", "read_description",
           "unpack", "write_container"]
