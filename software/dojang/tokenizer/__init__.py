"""Text to token ids and back, from a checkpoint's own metadata."""

from .byte_level import byte_characters
from .errors import TokenizerError
from .pre_tokenizers import PRE_TOKENIZERS
from .stream import TextStream
from .tokenizer import Tokenizer, require_supported

__all__ = ["PRE_TOKENIZERS", "TextStream", "Tokenizer", "TokenizerError", "byte_characters",
           "require_supported"]
