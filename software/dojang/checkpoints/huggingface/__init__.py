"""Folders as published on the Hugging Face hub: config, weights, tokenizer."""

from .folder import CONFIG, Folder
from .model import load_folder

__all__ = ["CONFIG", "Folder", "load_folder"]
