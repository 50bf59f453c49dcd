"""SentencePiece vocabularies (tokenizer model ``llama``): the pair with the best score is merged first."""

import heapq
import math

from ..checkpoints import TokenizerData
from .byte_level import byte_of
from .errors import TokenizerError
from .sentences import dropped_bytes
from .special import BYTE, CONTROL, UNKNOWN, USER_DEFINED, SpecialTokens

__all__ = ["SPACE", "SentencePiece", "spaced_bytes"]

SPACE = "▁"
NONE = -1


class SentencePiece:
    """Encoder of text without special tokens.

    Parameters
    ----------
    data: of the checkpoint; ``scores`` are 0 where there are none.
    special: its special tokens.

    Raises
    ------
    TokenizerError: not one score for each token, or one is not a number.
    """

    def __init__(self, data: TokenizerData, special: SpecialTokens):
        self._tokens, self._types = data.tokens, special.types
        self._scores = list(data.scores) or [0.0] * len(data.tokens)
        if len(self._scores) != len(data.tokens) or any(math.isnan(score) for score in self._scores):
            raise TokenizerError(f"the tokenizer of the model is corrupt: expected a score for each of its "
                                 f"{len(data.tokens)} tokens")
        self.space_prefix = data.add_space_prefix is not False
        self._ids: dict[str, int] = {}
        self._bytes: dict[int, int] = {}
        for index, (token, kind) in enumerate(zip(data.tokens, special.types, strict=True)):
            byte = byte_of(token)
            if byte is not None and kind in (BYTE, CONTROL, UNKNOWN):
                self._bytes.setdefault(byte, index)
            elif kind not in (BYTE, CONTROL, UNKNOWN):
                self._ids.setdefault(token, index)

    def encode(self, text: str, first: bool) -> list[int]:
        """Ids of `text`; `first`: it follows a special token or nothing, so the space prefix is due."""
        text = (SPACE if first and self.space_prefix else "") + text.replace(" ", SPACE)
        ids = []
        for symbol in self._merged(text):
            token = self._ids.get(symbol)
            ids += [token] if token is not None else [self._bytes[b] for b in symbol.encode() if b in self._bytes]
        return ids

    def _merged(self, text: str) -> list[str]:
        symbols = list(text)
        after = [*range(1, len(symbols)), NONE]
        before = list(range(NONE, len(symbols) - 1))
        ids, scores = self._ids, self._scores
        queue: list[tuple[float, int, int, int]] = []

        def offer(left: int, right: int):
            if left != NONE and right != NONE:
                joined = symbols[left] + symbols[right]
                token = ids.get(joined)
                if token is not None:
                    heapq.heappush(queue, (-scores[token], left, right, len(joined)))

        for right in range(1, len(symbols)):
            offer(right - 1, right)
        while queue:
            _, left, right, size = heapq.heappop(queue)
            if not symbols[left] or not symbols[right] or len(symbols[left]) + len(symbols[right]) != size:
                continue  # one side was merged meanwhile
            symbols[left] += symbols[right]
            symbols[right] = ""
            after[left] = after[right]
            if after[right] != NONE:
                before[after[right]] = left
            offer(before[left], left)
            offer(left, after[left])
        return [symbol for symbol in symbols if symbol]

    def token_bytes(self, token: int) -> bytes:
        """Bytes of a token that is shown."""
        return spaced_bytes(self._tokens[token], self._types[token])

    def dropped(self, text: str) -> list[str]:
        """A sentence about the bytes of `text` that have no token."""
        if len(self._bytes) == 256:
            return []
        unknown = "".join(c for c in dict.fromkeys(text.replace(" ", SPACE)) if c not in self._ids)
        return dropped_bytes(unknown, set(range(256)) - self._bytes.keys())


def spaced_bytes(token: str, kind: int) -> bytes:
    """Bytes of a token of a vocabulary with visible spaces, by its GGUF type."""
    if kind == BYTE and (byte := byte_of(token)) is not None:
        return bytes([byte])
    return (token if kind == USER_DEFINED else token.replace(SPACE, " ")).encode(errors="replace")
