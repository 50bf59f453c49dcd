"""Text of tokens as they come."""

import codecs

from .tokenizer import Tokenizer

__all__ = ["TextStream"]


class TextStream:
    """Text of tokens as they come; a character is held back until all its bytes are there.

    Parameters
    ----------
    tokenizer: of the model.
    begins: it is a text of its own, so that a space that the vocabulary puts in front is left out.
    """

    def __init__(self, tokenizer: Tokenizer, begins: bool = False):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._drops_space = begins and tokenizer.space_prefix

    def push(self, token: int) -> str:
        """Characters that `token` completes."""
        text = self._decoder.decode(self._tokenizer.token_bytes(token))
        if text and self._drops_space:
            text, self._drops_space = text.removeprefix(" "), False
        return text

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an unfinished character."""
        return self._decoder.decode(b"", final=True)
