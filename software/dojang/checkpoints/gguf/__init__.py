"""GGUF files: header, tensors, tokenizer data, and the models that they hold."""

from .file import GGUFFile
from .llama import load_gguf

__all__ = ["GGUFFile", "load_gguf"]
