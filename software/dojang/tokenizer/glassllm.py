"""Character BPE of the glassllm models: NFC text with visible spaces, control tokens are not recognised in text."""

import unicodedata

import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers

from ..checkpoints import TokenizerData
from .byte_level import merge_pairs, vocabulary
from .sentencepiece import SPACE
from .sentences import listing, shown

__all__ = ["GlassLLM"]

SPLIT = r"\n|▁*[^▁\n]+|▁+"
UNKNOWN = "<unk>"


class GlassLLM:
    """Encoder of text.

    Parameters
    ----------
    data: of the checkpoint.
    """

    def __init__(self, data: TokenizerData):
        self._ids = vocabulary(data)
        self._tokens = data.tokens
        self._tokenizer = tokenizers.Tokenizer(models.BPE(vocab=self._ids, merges=merge_pairs(data), unk_token=UNKNOWN))
        self._tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", SPACE)])
        self._tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(SPLIT), "isolated")

    def encode(self, text: str, first: bool) -> list[int]:
        """Ids of `text`; `first` changes nothing here."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def token_bytes(self, token: int) -> bytes:
        """Bytes of a token that is shown."""
        text = self._tokens[token]
        return "⁇".encode() if text == UNKNOWN else text.replace(SPACE, " ").encode()

    def dropped(self, text: str) -> list[str]:
        """A sentence about the characters of `text` that have no token."""
        found = [c for c in dict.fromkeys(unicodedata.normalize("NFC", text).replace(" ", SPACE)) if c not in self._ids]
        if not found:
            return []
        noun, verb = ("character", "has") if len(found) == 1 else ("characters", "have")
        return [f"{noun} {listing(map(shown, found))} of the prompt {verb} no token: read as {UNKNOWN}"]
