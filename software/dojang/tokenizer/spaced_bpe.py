"""BPE on plain characters with visible spaces and byte fallback (tokenizer model ``gemma4`` and some of ``gpt2``)."""

import re

import tokenizers
from tokenizers import models

from ..checkpoints import TokenizerData
from .byte_level import byte_of, merge_pairs, vocabulary
from .sentencepiece import SPACE, spaced_bytes
from .sentences import dropped_bytes
from .special import SpecialTokens

__all__ = ["SpacedBpe"]


class SpacedBpe:
    """Encoder of text without special tokens.

    Parameters
    ----------
    data: of the checkpoint.
    special: its special tokens.
    """

    def __init__(self, data: TokenizerData, special: SpecialTokens):
        self._tokens, self._types = data.tokens, special.types
        self._ids = vocabulary(data)
        self._missing = frozenset(range(256)) - {byte_of(token) for token in data.tokens}
        model = models.BPE(vocab=self._ids, merges=merge_pairs(data), byte_fallback=True)
        self._tokenizer = tokenizers.Tokenizer(model)

    def encode(self, text: str, first: bool) -> list[int]:
        """Ids of `text`; `first` (it follows a special token or nothing) changes nothing here."""
        ids = []
        for piece in re.findall(r"\n+|[^\n]+", text.replace(" ", SPACE)):
            if piece[0] == "\n" and piece in self._ids:
                ids.append(self._ids[piece])
            else:
                ids += self._tokenizer.encode(piece, add_special_tokens=False).ids
        return ids

    def token_bytes(self, token: int) -> bytes:
        """Bytes of a token that is shown."""
        return spaced_bytes(self._tokens[token], self._types[token])

    def dropped(self, text: str) -> list[str]:
        """A sentence about the bytes of `text` that have no token."""
        if not self._missing:
            return []
        unknown = "".join(c for c in dict.fromkeys(text.replace(" ", SPACE)) if c not in self._ids)
        return dropped_bytes(unknown, self._missing)
