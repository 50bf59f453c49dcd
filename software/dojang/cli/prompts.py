"""What a model is asked: a text to continue, or messages one after the other."""

import sys
from pathlib import Path

from ..tokenizer import Tokenizer
from .options import UsageError

__all__ = ["Chat", "read_prompt"]

LARGEST = 64 << 20
"""Bytes of a prompt's file; no context holds as much."""


def read_prompt(name: str) -> str:
    """The text of a file, or of standard input if ``name`` is ``-``.

    It is UTF-8; a byte order mark before it and the line end behind it are not part of it, and bytes that are not
    UTF-8 become U+FFFD. Raises `UsageError` if it cannot be read.
    """
    shown = "standard input" if name == "-" else name
    try:
        if name == "-" and sys.stdin is None:
            raise UsageError("standard input is closed, expected the prompt")
        if name == "-":
            data = sys.stdin.buffer.read(LARGEST + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise UsageError(f"{shown} has more than {LARGEST >> 20} MiB, too long for a prompt")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(f"{shown} is UTF-16, expected UTF-8")
    text = data.decode("utf-8-sig", "replace")
    return text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")


class Chat:
    """Messages so far, by the model's template."""

    def __init__(self, tokenizer: Tokenizer, system: str | None, raw: bool):
        self._tokenizer, self._raw = tokenizer, raw
        self._before = [] if system is None else [{"role": "system", "content": system}]
        self.reset()

    def reset(self) -> None:
        self.messages = list(self._before)

    def check(self) -> None:
        """Raise `TokenizerError` if the model has no template, or one that cannot render a message."""
        self.ask("Hello")
        self.reset()

    def ask(self, text: str) -> list[int]:
        """Put a message of the user; token ids of all so far."""
        self.messages.append({"role": "user", "content": text})
        return self._tokenizer.encode_chat(self.messages, self._raw)

    def answered(self, text: str) -> None:
        self.messages.append({"role": "assistant", "content": text})

    def withdraw(self) -> None:
        """Forget the message that was put last."""
        self.messages.pop()

    def longest(self, texts: list[str], tokens: int) -> int:
        """About as many positions as a conversation takes in which ``texts`` are answered with ``tokens`` each."""
        alone = ([*self._before, {"role": "user", "content": text}] for text in texts)
        return sum(len(self._tokenizer.encode_chat(messages, self._raw)) + tokens for messages in alone)
