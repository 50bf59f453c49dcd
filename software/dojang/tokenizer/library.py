"""Vocabularies in a ``tokenizer.json``, which the library `tokenizers` reads as they are (model ``tokenizers``)."""

import json
from typing import Any

import tokenizers

from ..checkpoints import TokenizerData
from ..checkpoints.errors import shown
from .byte_level import BYTES
from .errors import TokenizerError
from .sentencepiece import SPACE, spaced_bytes
from .sentences import dropped_bytes, listing
from .sentences import shown as visible
from .special import UNKNOWN, USER_DEFINED, SpecialTokens

__all__ = ["Library", "LibraryTokens"]

DECODERS = ("ByteLevel", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip")
"""Steps of decoders whose text of a token is known without the tokens around it."""

ANCHOR = "\U0010fffd\U0010fffe"
"""A token that stands in front of what follows markup; it is in no text, as its second character is none."""


class Library:
    """The document, read twice: once with its markup, and once with markup as text like any other.

    Parameters
    ----------
    data: of the checkpoint.

    Attributes
    ----------
    begin: ids that its post-processor puts in front of a text.
    messages: what it would do besides, a sentence each.

    Raises
    ------
    TokenizerError: the library refuses the document, or its decoder is not known here.
    """

    def __init__(self, data: TokenizerData):
        self._whole = _read(data.document or "")
        self._document = json.loads(data.document or "")
        decoder: dict[str, Any] = self._document.get("decoder") or {"type": None}
        self._steps: list[dict[str, Any]] = decoder["decoders"] if "decoders" in decoder else [decoder]
        self._bytes = any(step["type"] == "ByteLevel" for step in self._steps)
        self._check_decoder()
        self._data = data
        self.begin, self.messages = self._ends()

    def _check_decoder(self) -> None:
        for step in self._steps:
            space = step["type"] != "Replace" or (step["pattern"], step["content"]) == ({"String": SPACE}, " ")
            if step["type"] not in DECODERS or not space:
                raise TokenizerError(f"decoder {shown(step['type'])} of tokenizer.json is not supported, expected "
                                     f"{', '.join(DECODERS)} of {SPACE} by a space")

    def _ends(self) -> tuple[list[int], list[str]]:
        """Ids in front of a text; sentences about those behind it."""
        plain = self._whole.encode("a", add_special_tokens=False).ids
        full = self._whole.encode("a").ids
        count = len(full) - len(plain)
        front = next((index for index in range(count + 1) if full[index:index + len(plain)] == plain), count)
        behind = [self._data.tokens[token] for token in full[front + len(plain):]]
        if not behind:
            return full[:front], []
        return full[:front], [f"{listing(behind)}, which tokenizer.json puts behind texts, is left out: answers follow"]

    @property
    def space_prefix(self) -> bool:
        """A decoded text loses the space in front."""
        return any((step["type"] == "Strip" and step.get("start", 0) > 0)
                   or (step["type"] == "Metaspace" and step.get("prepend_scheme", "always") != "never")
                   for step in self._steps)

    def marked(self, text: str) -> list[int]:
        """Ids of `text`, markup in it recognised."""
        return self._whole.encode(text, add_special_tokens=False).ids

    def spans(self, text: str) -> list[tuple[int, int, int]]:
        """Ids of added tokens in `text`, each with its begin and end, which may include white space."""
        found = self._whole.encode(text, add_special_tokens=False)
        added = self._whole.get_added_tokens_decoder()
        return [(token, *span) for token, span in zip(found.ids, found.offsets, strict=True) if token in added]

    def use(self, special: SpecialTokens) -> None:
        """Take over which tokens are markup; to be called before `encode`."""
        for entry in self._document.get("added_tokens") or []:
            entry["special"] = entry["content"] in special.markers
        self._plain = _read(json.dumps(self._document))
        self._plain.encode_special_tokens = True
        self._plain.add_tokens([tokenizers.AddedToken(ANCHOR, normalized=False)])
        self._document = {}
        self._markers, self._types = special.markers, special.types
        self._ids = {index for index, token in enumerate(self._data.tokens) if token in special.markers}

    def encode(self, text: str, first: bool) -> list[int]:
        """Ids of `text` without markup; `first`: it follows nothing, not even markup."""
        text = text.replace(ANCHOR, "\ufffd")
        ids = self._plain.encode(text if first else ANCHOR + text, add_special_tokens=False).ids[0 if first else 1:]
        if self._ids.isdisjoint(ids):
            return ids
        cut = next((at + 1 for at in range(len(text) - 1) if any(text.startswith(one, at) for one in self._markers)), 0)
        if cut == 0:  # markup by normalisation, or of one character
            return [token for token in ids if token not in self._ids]
        return [*self.encode(text[:cut], first), *self.encode(text[cut:], False)]

    def token_bytes(self, token: int) -> bytes:
        """Bytes of a token that is shown."""
        text = self._data.tokens[token]
        if not self._bytes:
            return spaced_bytes(text, self._types[token])
        if self._types[token] == USER_DEFINED or not all(character in BYTES for character in text):
            return text.encode(errors="replace")
        return bytes(BYTES[character] for character in text)

    def dropped(self, text: str) -> list[str]:
        """A sentence about what of `text` has no token."""
        if self._bytes:
            known = set(self._data.tokens)
            return dropped_bytes(text, frozenset(byte for character, byte in BYTES.items() if character not in known))
        unknown = {index for index, kind in enumerate(self._types) if kind == UNKNOWN}
        found = self._plain.encode(text, add_special_tokens=False)
        lost = dict.fromkeys(character for token, (begin, end) in zip(found.ids, found.offsets, strict=True)
                             if token in unknown for character in text[begin:end])
        return [f"{listing(map(visible, lost))} of the prompt has no token: read as unknown"] if lost else []


def _read(text: str) -> tokenizers.Tokenizer:
    try:
        tokenizer = tokenizers.Tokenizer.from_str(text)
    except Exception as error:  # the library raises plain Exception
        raise TokenizerError(f"tokenizer.json of the model cannot be read: {error}") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


class LibraryTokens(SpecialTokens):
    """Special tokens that the library finds, by the rules that the document has for each.

    Parameters
    ----------
    data: of the checkpoint.
    library: its document.
    """

    def __init__(self, data: TokenizerData, library: Library):
        super().__init__(data)
        self._library = library
        library.use(self)

    def partition(self, text: str) -> list[str | int]:
        """All ids of `text`."""
        return list(self._library.marked(text))

    def partition_markup(self, text: str) -> list[str | int]:
        """`text` as ids of markup and the texts between."""
        parts: list[str | int] = []
        at = 0
        for token, begin, end in self._library.spans(text):
            if self.tokens[token] in self.markers:
                parts += [text[at:begin], token]
                at = end
        return [part for part in (*parts, text[at:]) if part != ""]

    def partition_plain(self, text: str) -> list[str | int]:
        """`text` as it is: the library finds what is no markup."""
        return [text] if text else []
