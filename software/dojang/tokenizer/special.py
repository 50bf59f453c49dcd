"""Special tokens: which ids are markup, which of them end a text, and where they stand in one."""

import re
from collections.abc import Iterable, Sequence

from ..checkpoints import TokenizerData
from .errors import TokenizerError

__all__ = ["BYTE", "CONTROL", "ENDS", "MARKUP", "NORMAL", "UNKNOWN", "UNUSED", "USER_DEFINED", "SpecialTokens"]

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""Token types of GGUF with a meaning here."""

ENDS = (
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<end_of_turn>",
    "<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
    "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~[",
    "<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]",
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>", "<|file_sep|>",
)
"""Tokens that end a turn, a text, or a file wherever they occur in a vocabulary."""

MARKUP = (
    "<|im_start|>", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|system|>", "<|user|>",
    "<|assistant|>", "<start_of_turn>", "<bos>", "<｜begin▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>",
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>", "<|code_prefix|>",
    "<|prefix|>", "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
    "<|code_suffix|>", "<|suffix|>", "<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>",
    "▁<MID>", "<|code_middle|>", "<|middle|>",
)
"""Other tokens that are markup even where a file has them as normal text."""

SHOWN = ("<|channel|>", "<|message|>", "<|start|>", "<|constrain|>")
"""Markup that is a part of the answer's text."""

NO_ENDS = (
    ("<|end|>", ({"<|return|>", "<|call|>"}, {"<|flush|>", "<|call|>"}, {"<|flush|>", "<|calls|>"})),
    ("</s>", ({"<|tool_response>"}, {"<|plamo:eos|>"})),
)
"""Names of `ENDS` that end nothing in a vocabulary with all tokens of one of these sets."""

KEEPS_SPACE = ("<unk>", "<s>", "<|endoftext|>")
"""Tokens that do not swallow white space where others do (`TokenizerData.strip_after`)."""

LOOKS_LIKE_MARKUP = re.compile(r"<[|｜].*[|｜]>|\[/?[A-Z][A-Z_]+\]", re.DOTALL)


class SpecialTokens:
    """Special tokens of a vocabulary.

    Attributes
    ----------
    types: GGUF type of each id, after the well-known names have been given theirs.
    ends: ids that end generation.
    markers: texts that are markup: control tokens, and user-defined ones that look so or that the chat
        template names.
    controls: those of `markers` that a model's own text cannot hold, as they are never shown.

    Raises
    ------
    TokenizerError: not one type for each token.
    """

    def __init__(self, data: TokenizerData):
        self.tokens = data.tokens
        self.types = list(data.types)
        if len(self.types) != len(self.tokens):
            raise TokenizerError(f"the tokenizer of the model is corrupt: {len(self.types)} token types for "
                                 f"{len(self.tokens)} tokens")
        ids = {token: index for index, token in reversed(list(enumerate(self.tokens)))}
        ended = [(name, ids[name]) for name in ENDS if name in ids]
        for name, companions in NO_ENDS:
            if any(needed <= ids.keys() for needed in companions):
                ended = [pair for pair in ended if pair[0] != name]
        self.ends = frozenset(index for _, index in ended) | data.eos_ids
        ordinary = [ids[name] for name in MARKUP if name in ids and self.types[ids[name]] == NORMAL]
        for index in (*(index for _, index in ended), *ordinary):
            self.types[index] = CONTROL
        for name in SHOWN:
            if name in ids:
                self.types[ids[name]] = USER_DEFINED
        template = data.chat_template or ""
        found = [(token, index, kind) for index, (token, kind) in enumerate(zip(self.tokens, self.types, strict=True))
                 if kind in (UNKNOWN, CONTROL, USER_DEFINED) and token]
        found.sort(key=lambda entry: -len(entry[0].encode(errors="replace")))
        self._all = [(token, index) for token, index, _ in found]
        self._markup = [(token, index) for token, index, kind in found if kind != USER_DEFINED
                        or LOOKS_LIKE_MARKUP.fullmatch(token) or (token.strip() and token in template)]
        known = {index for _, index in self._markup}
        self._text = [(token, index) for token, index in self._all if index not in known]
        self.markers = frozenset(token for token, _ in self._markup)
        self.controls = frozenset(token for token, _, kind in found if kind != USER_DEFINED)
        self._strips = frozenset(index for token, index in self._all
                                 if data.strip_after and token not in KEEPS_SPACE)

    def partition(self, text: str) -> list[str | int]:
        """`text` as ids of special tokens and the texts between them."""
        return self._partition([text], self._all)

    def partition_markup(self, text: str) -> list[str | int]:
        """The same with markup only: user-defined tokens that may occur in plain text stay in the texts."""
        return self._partition([text], self._markup)

    def partition_plain(self, text: str) -> list[str | int]:
        """The same without markup."""
        return self._partition([text], self._text)

    def _partition(self, parts: Sequence[str | int], tokens: Iterable[tuple[str, int]]) -> list[str | int]:
        text = "".join(part for part in parts if isinstance(part, str))
        for token, index in tokens:
            if token in text:
                parts = [piece for part in parts
                         for piece in ([part] if isinstance(part, int) else self._cut(part, token, index))]
        return [part for part in parts if part != ""]

    def _cut(self, text: str, token: str, index: int) -> list[str | int]:
        first, *rest = text.split(token)
        if index in self._strips:
            rest = [piece.lstrip(" \t\n\v\f\r") for piece in rest]
        return [first, *(part for piece in rest for part in (index, piece))]
