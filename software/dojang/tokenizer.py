"""Text to token ids and back, from a checkpoint's own metadata, through the ``tokenizers`` library."""

import codecs
from collections.abc import Sequence

import jinja2
import jinja2.sandbox
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers

from .checkpoints import TokenizerData
from .errors import DojangError

__all__ = ["TextStream", "Tokenizer", "TokenizerError", "byte_characters"]

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")

PRE_TOKENIZERS = {
    "smollm": (r"\p{N}", GPT2),
    "gpt2": (GPT2,),
    "gpt-2": (GPT2,),
    "llama-bpe": (LLAMA3,),
    "llama3": (LLAMA3,),
    "qwen2": (LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}"),),
    "default": (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"),
}
"""Splits applied one after the other, by ``tokenizer.ggml.pre`` (the rules llama.cpp gives these names)."""

WHOLE_WORDS = ("llama-bpe", "llama3")
"""Pre-tokenizers whose models take a word that is a token as that token, whatever the merges would give."""

UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4
"""Token types of GGUF with a meaning here."""

SPACE = "▁"
GLASSLLM_SPLIT = r"\n|▁*[^▁\n]+|▁+"


class TokenizerError(DojangError):
    """The tokenizer of a checkpoint is damaged or of an unsupported kind."""


def byte_characters() -> list[str]:
    """The printable character that stands for each byte in byte-level BPE (the GPT-2 table)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {byte: chr(byte) for byte in printable}
    for count, byte in enumerate(byte for byte in range(256) if byte not in table):
        table[byte] = chr(256 + count)
    return [table[byte] for byte in range(256)]


class Tokenizer:
    """Encoder, decoder and chat template of a model.

    Parameters
    ----------
    data: tokenizer data of a checkpoint.

    Raises
    ------
    TokenizerError: the kind of tokenizer or pre-tokenizer is not supported (named), or the data contradict themselves.
    """

    def __init__(self, data: TokenizerData):
        self._data = data
        self.eos_ids = data.eos_ids
        self.messages: list[str] = []
        try:
            if data.model == "gpt2":
                self._tokenizer = _byte_level(data)
                self._bytes = _byte_level_bytes(data)
            elif data.model == "glassllm":
                self._tokenizer = _glassllm(data)
                self._bytes = _glassllm_bytes(data)
            else:
                raise TokenizerError(f"tokenizer model {data.model!r} is not supported, only 'gpt2' is")
        except TokenizerError:
            raise
        except Exception as error:  # the library raises plain Exception
            raise TokenizerError(f"the tokenizer of the model is corrupt: {error}") from None

    @property
    def vocab_size(self) -> int:
        return len(self._data.tokens)

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; special tokens are recognised, the begin token is added if the model wants it."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        if self._data.add_bos and self._data.bos is not None and ids[:1] != [self._data.bos]:
            ids = [self._data.bos, *ids]
        return ids

    def encode_chat(self, messages: list[dict], raw: bool = False) -> list[int]:
        """Token ids of a conversation, by the model's chat template."""
        return self.encode(self.render(messages))

    def dropped(self, text: str) -> list[str]:
        """Messages about what of `text` has no token."""
        return []

    def decode(self, ids: Sequence[int]) -> str:
        """Text of `ids` without control tokens; bytes that are not UTF-8 become U+FFFD."""
        return b"".join(self.token_bytes(token) for token in ids).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one token, possibly a part of a character; empty for control tokens and unknown ids."""
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    def chat(self, user: str) -> str:
        """Prompt text for one message of a user, by the model's chat template."""
        return self.render([{"role": "user", "content": user}])

    def render(self, messages: list[dict]) -> str:
        """Prompt text of a conversation, by the model's chat template."""
        if self._data.chat_template is None:
            raise TokenizerError("the model has no chat template, give it a plain prompt")
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            return environment.from_string(self._data.chat_template).render(
                messages=messages, add_generation_prompt=True,
                bos_token=self._text(self._data.bos), eos_token=self._text(self._data.eos))
        except jinja2.TemplateError as error:
            raise TokenizerError(f"the model's chat template fails: {error}") from None

    def _text(self, token: int | None) -> str:
        return "" if token is None or token >= len(self._data.tokens) else self._data.tokens[token]


class TextStream:
    """Text of tokens as they come; a character is held back until all its bytes are there."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token: int) -> str:
        """Characters that `token` completes."""
        return self._decoder.decode(self._tokenizer.token_bytes(token))

    def flush(self) -> str:
        """What is left at the end: U+FFFD for an unfinished character."""
        return self._decoder.decode(b"", final=True)


def _refuse(message: str):
    raise jinja2.TemplateError(message)


def _vocabulary(data: TokenizerData) -> dict[str, int]:
    vocabulary: dict[str, int] = {}
    for index, token in enumerate(data.tokens):
        vocabulary.setdefault(token, index)
    return vocabulary


def _merges(data: TokenizerData) -> list[tuple[str, str]]:
    merges = []
    for merge in data.merges:
        left, _, right = merge.partition(" ")
        merges.append((left, right))
    return merges


def _byte_level(data: TokenizerData) -> tokenizers.Tokenizer:
    if data.pre not in PRE_TOKENIZERS:
        raise TokenizerError(f"pre-tokenizer {data.pre!r} is not supported, expected one of "
                             f"{', '.join(PRE_TOKENIZERS)}")
    if not data.tokens:
        raise TokenizerError("the model file holds no tokenizer")
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=_vocabulary(data), merges=_merges(data),
                                                ignore_merges=data.pre in WHOLE_WORDS))
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in PRE_TOKENIZERS[data.pre]]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    _add_special(tokenizer, data)
    return tokenizer


def _add_special(tokenizer: tokenizers.Tokenizer, data: TokenizerData) -> None:
    for kind, special in ((CONTROL, True), (USER_DEFINED, False)):
        found = [tokenizers.AddedToken(token, special=special, normalized=False)
                 for token, token_type in zip(data.tokens, data.types, strict=True) if token_type == kind and token]
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(found)


def _byte_level_bytes(data: TokenizerData) -> list[bytes]:
    byte_of = {character: byte for byte, character in enumerate(byte_characters())}
    table = []
    for token, token_type in zip(data.tokens, data.types, strict=True):
        if token_type in (UNKNOWN, CONTROL):
            table.append(b"")
        elif token_type == USER_DEFINED or not all(character in byte_of for character in token):
            table.append(token.encode())
        else:
            table.append(bytes(byte_of[character] for character in token))
    return table


def _glassllm(data: TokenizerData) -> tokenizers.Tokenizer:
    """Character BPE on NFC text with visible spaces; control tokens are not recognised in text."""
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab=_vocabulary(data), merges=_merges(data), unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(" ", SPACE)])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(GLASSLLM_SPLIT), "isolated")
    return tokenizer


def _glassllm_bytes(data: TokenizerData) -> list[bytes]:
    table = [b"" if kind == CONTROL else token.replace(SPACE, " ").encode()
             for token, kind in zip(data.tokens, data.types, strict=True)]
    table[data.tokens.index("<unk>")] = "⁇".encode()
    return table
