"""Chat templates: rendered in a process of its own, with what users wrote kept apart from the template's markup."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from .errors import TokenizerError

__all__ = ["Message", "Protection", "render"]

SECONDS = 10
"""Time that a template may take."""

MEMORY = 512 << 20
"""Bytes that its process may have."""

Message = Mapping[str, str]
"""``role`` and ``content``."""

ANSWER = "assistant"
"""Role of the model's own texts."""


def render(template: str, conversations: Sequence[Sequence[Message]], variables: Mapping[str, str]) -> list[str]:
    """Prompt text of each conversation.

    Raises
    ------
    TokenizerError: the template fails, takes too long or too much memory, or tries what it may not.
    """
    request = {"template": template, "messages": [list(messages) for messages in conversations],
               "variables": dict(variables), "memory": MEMORY, "seconds": SECONDS}
    answers = _ask(request)
    for answer in answers:
        if "error" in answer:
            raise TokenizerError(f"the model's chat template fails: {_line(answer['error'])}")
    return [answer["text"] for answer in answers]


def _ask(request: Mapping) -> list[dict[str, str]]:
    program = Path(__file__).with_name("template_process.py")
    try:
        done = subprocess.run([sys.executable, "-P", str(program)], input=json.dumps(request).encode(),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS)
        return json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise TokenizerError(f"the model's chat template does not end within {SECONDS} seconds") from None
    except (OSError, ValueError):
        raise TokenizerError("the model's chat template fails: its process ended without an answer") from None


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:300] + "…"


class Protection:
    """Stands in for markup that users wrote, by characters that occur nowhere else.

    Parameters
    ----------
    messages: the conversation.
    template: its template.
    markers: texts that are markup in a prompt.
    controls: those of them that are also kept out of the model's own answers: what else these hold is the model's.
    """

    def __init__(self, messages: Sequence[Message], template: str, markers: Collection[str], controls: Collection[str]):
        self._messages = messages
        self._markers = {True: sorted(markers, key=len, reverse=True), False: sorted(controls, key=len, reverse=True)}
        contents = "".join(message["content"] for message in messages)
        taken = {*contents, *template}
        free = (chr(code) for code in range(0x10FFFD, 0x100000, -1) if chr(code) not in taken)
        self._hidden = {first: next(free) for first in sorted({marker[0] for marker in markers} & {*contents})}
        self._restore = str.maketrans({hidden: first for first, hidden in self._hidden.items()})

    @property
    def needed(self) -> bool:
        """No message holds even the first character of a marker if this is not set."""
        return bool(self._hidden)

    def firsts(self) -> list[Message]:
        """The messages without any first character of a marker; answers as in `markers`."""
        table = str.maketrans(self._hidden)
        return [message if message["role"] == ANSWER else {**message, "content": message["content"].translate(table)}
                for message in self.markers()]

    def markers(self) -> list[Message]:
        """The messages without markers, whole ones or ones that the next text could complete."""
        return [{**message, "content": self._without(message["content"], self._markers[message["role"] != ANSWER])}
                for message in self._messages]

    def restore(self, text: str) -> str:
        """A rendered text as it would be without protection."""
        return text.translate(self._restore)

    def _without(self, content: str, markers: Sequence[str]) -> str:
        for marker in markers:
            if marker in content:
                content = content.replace(marker, self._hidden[marker[0]] + marker[1:])
        end = len(content.rstrip())
        for at in range(max(0, end - max(map(len, markers), default=0)), end):
            if content[at] in self._hidden and any(marker.startswith(content[at:end]) for marker in markers):
                content = content[:at] + self._hidden[content[at]] + content[at + 1:]
        return content
