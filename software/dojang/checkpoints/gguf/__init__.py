"""GGUF files: header, tensors, tokenizer data, and the models that they hold."""

from .cost import imported_bytes
from .file import GGUFFile
from .model import load_model

__all__ = ["GGUFFile", "imported_bytes", "load_model"]
