"""A model's tokenizer: text and conversations to token ids, and ids to text."""

import re
from collections.abc import Iterable, Sequence

from ..checkpoints import TokenizerData
from ..checkpoints.errors import shown
from .byte_level import ByteLevel
from .errors import TokenizerError
from .glassllm import GlassLLM
from .library import Library, LibraryTokens
from .pre_tokenizers import PRE_TOKENIZERS
from .sentencepiece import SentencePiece
from .spaced_bpe import SpacedBpe
from .special import CONTROL, UNKNOWN, UNUSED, SpecialTokens
from .templates import Message, Protection, render

__all__ = ["MODELS", "Tokenizer", "require_supported"]

MODELS = {
    "gpt2": "byte-level BPE, split by its pre-tokenizer",
    "llama": "SentencePiece: pairs by score, byte fallback",
    "gemma4": "BPE on plain characters, byte fallback",
    "glassllm": "character BPE of the glassllm models",
    "tokenizers": "what the library of that name reads: `tokenizer.json` of a Hugging Face folder",
}
"""Values of ``tokenizer.ggml.model``; the last two are in no GGUF file."""

SURROGATES = re.compile("[\ud800-\udfff]")


class Tokenizer:
    """Encoder, decoder and chat template of a model.

    Parameters
    ----------
    data: tokenizer data of a checkpoint.

    Attributes
    ----------
    eos_ids: all ids that end generation.
    messages: what a user should know about the tokenizer, one sentence each.
    space_prefix: the vocabulary puts a space in front of a text, which is none of it.

    Raises
    ------
    TokenizerError: the kind of tokenizer or pre-tokenizer is not supported (named), or the data contradict themselves.
    """

    def __init__(self, data: TokenizerData):
        self._data = data
        self.messages: list[str] = []
        if not data.tokens:
            raise TokenizerError("the model file holds no tokenizer")
        require_supported(data.model, data.pre)
        try:
            library = Library(data) if data.model == "tokenizers" else None
            self._special = SpecialTokens(data) if library is None else LibraryTokens(data, library)
            self.eos_ids = self._special.ends
            self._vocabulary, begin = self._make() if library is None else (library, False)
        except TokenizerError:
            raise
        except Exception as error:  # the library raises plain Exception
            raise TokenizerError(f"the tokenizer of the model is corrupt: {error}") from None
        self.space_prefix = isinstance(self._vocabulary, SentencePiece | Library) and self._vocabulary.space_prefix
        self._begin = [data.bos] if data.bos is not None and (begin if data.add_bos is None else data.add_bos) else []
        if library is not None:
            self._begin = library.begin
            self.messages += library.messages

    def _make(self):
        """The encoder of plain text, and whether prompts of its kind start with the begin token."""
        data, special = self._data, self._special
        if data.model == "llama":
            return SentencePiece(data, special), True
        if data.model == "gemma4":
            return SpacedBpe(data, special), True
        if data.model == "glassllm":
            return GlassLLM(data), False
        if not data.pre:
            self.messages.append("the file names no pre-tokenizer (tokenizer.ggml.pre): texts are split by 'default', "
                                 "other than the model may have been trained with")
        pre = PRE_TOKENIZERS[data.pre or "default"]
        return (SpacedBpe(data, special) if pre.spaced else ByteLevel(data, special, pre)), pre.begin

    @property
    def vocab_size(self) -> int:
        return len(self._data.tokens)

    def encode(self, text: str, special: bool = True) -> list[int]:
        """Token ids of `text`, after the begin token if the model wants it.

        special: markup in the text is recognised; otherwise it is text like any other.
        """
        text = _clean(text)
        if self._data.model == "glassllm":
            return self._begun([text])
        return self._begun(self._special.partition(text) if special else self._special.partition_plain(text))

    def encode_chat(self, messages: Sequence[Message], raw: bool = False) -> list[int]:
        """Token ids of a conversation that the model is to answer, by its chat template.

        messages: each with ``role`` and ``content``.
        raw: markup in the contents is markup; otherwise only the template's own is.
        """
        messages, template = self._prepared(messages)
        protection = Protection(messages, template, self._special.markers, self._special.controls)
        if raw or not protection.needed:
            return self._begun(self._special.partition(self._render([messages])[0]))
        plain, firsts, text = self._render([messages, protection.firsts(), protection.markers()])
        if protection.restore(firsts) == plain:  # else the template looks into the contents
            text = firsts
        parts: list[str | int] = []
        for part in self._special.partition_markup(text):
            parts += [part] if isinstance(part, int) else self._special.partition_plain(protection.restore(part))
        return self._begun(parts)

    def render(self, messages: Sequence[Message]) -> str:
        """Prompt text of a conversation that the model is to answer, by its chat template."""
        return self._render([self._prepared(messages)[0]])[0]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without control tokens; bytes that are not UTF-8 become U+FFFD."""
        text = b"".join(self.token_bytes(token) for token in ids).decode("utf-8", errors="replace")
        return text.removeprefix(" ") if self.space_prefix else text

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one token, possibly a part of a character; empty for control tokens and unknown ids."""
        if not 0 <= token < self.vocab_size or self._special.types[token] in (UNKNOWN, CONTROL, UNUSED):
            return b""
        return self._vocabulary.token_bytes(token)

    def dropped(self, text: str) -> list[str]:
        """Sentences about what the vocabulary has no token for in `text`."""
        return self._vocabulary.dropped(_clean(text))

    def _begun(self, parts: Sequence[str | int]) -> list[int]:
        ids: list[int] = []
        first = True
        for part in parts:
            if isinstance(part, int):
                ids.append(part)
            else:
                ids += self._vocabulary.encode(part, first)
            first = isinstance(part, int) and not isinstance(self._vocabulary, Library)
        return ids if ids[:len(self._begin)] == self._begin else [*self._begin, *ids]

    def _prepared(self, messages: Sequence[Message]) -> tuple[list[Message], str]:
        if self._data.chat_template is None:
            raise TokenizerError("the model has no chat template, give it a plain prompt")
        return [{**message, "content": _clean(message["content"])} for message in messages], self._data.chat_template

    def _render(self, conversations: Sequence[Sequence[Message]]) -> list[str]:
        names = {"bos_token": self._text(self._data.bos), "eos_token": self._text(self._data.eos)}
        return [_clean(text) for text in render(self._data.chat_template or "", conversations, names)]

    def _text(self, token: int | None) -> str:
        return "" if token is None or not 0 <= token < self.vocab_size else self._data.tokens[token]


def require_supported(model: str, pre: str | None) -> None:
    """Raises `TokenizerError` for a kind of tokenizer or pre-tokenizer that is not supported."""
    if model not in MODELS:
        raise _unsupported("tokenizer model", model, MODELS)
    if model == "gpt2" and (pre or "default") not in PRE_TOKENIZERS:
        raise _unsupported("pre-tokenizer", pre, PRE_TOKENIZERS)


def _unsupported(what: str, name: str | None, known: Iterable[str]) -> TokenizerError:
    return TokenizerError(f"{what} {shown(name)} is not supported, expected one of {', '.join(known)}")


def _clean(text: str) -> str:
    """`text` with U+FFFD for what is no character."""
    return SURROGATES.sub("\ufffd", text)
