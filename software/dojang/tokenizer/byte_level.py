"""Byte-level BPE (tokenizer model ``gpt2``): every byte is a printable character."""

import tokenizers
from tokenizers import Regex, models, pre_tokenizers

from ..checkpoints import TokenizerData
from ..checkpoints.errors import shown
from .errors import TokenizerError
from .pre_tokenizers import PreTokenizer
from .sentences import dropped_bytes
from .special import BYTE, CONTROL, UNKNOWN, USER_DEFINED, SpecialTokens

__all__ = ["ByteLevel", "byte_characters", "byte_of", "merge_pairs", "vocabulary"]


def byte_characters() -> list[str]:
    """The printable character that stands for each byte in byte-level BPE (the GPT-2 table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in printable}
    for count, byte in enumerate(byte for byte in range(256) if byte not in table):
        table[byte] = chr(256 + count)
    return [table[byte] for byte in range(256)]


BYTES = {character: byte for byte, character in enumerate(byte_characters())}


class ByteLevel:
    """Encoder of text without special tokens.

    Parameters
    ----------
    data: of the checkpoint.
    special: its special tokens.
    pre: its pre-tokenizer.
    """

    def __init__(self, data: TokenizerData, special: SpecialTokens, pre: PreTokenizer):
        merges = merge_pairs(data)
        ids = vocabulary(data)
        if pre.whole_words:  # text that is spelled like a control token is no such token
            made = {left + right for left, right in merges}
            ids = {token: index for token, index in ids.items()
                   if special.types[index] not in (UNKNOWN, CONTROL) or token in made}
        self._tokens, self._types = data.tokens, special.types
        self._missing = frozenset(byte for character, byte in BYTES.items() if character not in ids)
        self._tokenizer = tokenizers.Tokenizer(models.BPE(vocab=ids, merges=merges, ignore_merges=pre.whole_words))
        steps: list[pre_tokenizers.PreTokenizer] = [pre_tokenizers.Split(Regex(pattern), "isolated")
                                                    for pattern in pre.splits]
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
        if self._missing:  # what is on either side of a dropped byte must not merge
            characters = "".join(rf"\x{{{ord(c):x}}}" for c, byte in BYTES.items() if byte in self._missing)
            steps.append(pre_tokenizers.Split(Regex(f"[{characters}]"), "removed"))
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)

    def encode(self, text: str, first: bool) -> list[int]:
        """Ids of `text`; `first` (it follows a special token or nothing) changes nothing here."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def token_bytes(self, token: int) -> bytes:
        """Bytes of a token that is shown."""
        text = self._tokens[token]
        if self._types[token] == BYTE and (byte := byte_of(text)) is not None:
            return bytes([byte])
        if self._types[token] == USER_DEFINED or not all(character in BYTES for character in text):
            return text.encode(errors="replace")
        return bytes(BYTES[character] for character in text)

    def dropped(self, text: str) -> list[str]:
        """A sentence about the bytes of `text` that have no token."""
        return dropped_bytes(text, self._missing)


def vocabulary(data: TokenizerData) -> dict[str, int]:
    """Id of each token's text, the first one if there are several."""
    return {token: index for index, token in reversed(list(enumerate(data.tokens)))}


def merge_pairs(data: TokenizerData) -> list[tuple[str, str]]:
    """The two sides of each merge. Raises `TokenizerError` for one without a space."""
    pairs = []
    for merge in data.merges:
        at = merge.find(" ", 1)  # the left side may itself be a space
        if at < 0:
            raise TokenizerError(f"the tokenizer of the model is corrupt: merge {shown(merge)} has one side")
        pairs.append((merge[:at], merge[at + 1:]))
    return pairs


def byte_of(token: str) -> int | None:
    """The byte that ``<0xXX>`` stands for."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return int(token[3:5], 16)
        except ValueError:
            return None
    return None
