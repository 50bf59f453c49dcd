"""The model of a folder."""

from dataclasses import replace

from ..checkpoint import Checkpoint
from ..gguf import load_model
from .folder import Folder
from .tokenizer import tokenizer_data

__all__ = ["load_folder"]


def load_folder(folder: Folder, weights_bits: int) -> Checkpoint:
    """The model of a folder of a family that is known; see `dojang.checkpoints.load`."""
    checkpoint = load_model(folder, weights_bits)
    for message in folder.messages:
        checkpoint.messages.tell(message)
    return replace(checkpoint, load_tokenizer=lambda: tokenizer_data(folder.path, checkpoint.shape.vocab))
