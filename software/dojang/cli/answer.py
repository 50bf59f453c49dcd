"""Text as it comes: from the tokens of a generation to standard output."""

import sys
import time
from collections.abc import Sequence
from typing import Generic, TypeVar

from rich.progress import MofNCompleteColumn

from ..generation import Continuation, Ended, Generation
from ..interrupts import interrupts
from ..tokenizer import TextStream, Tokenizer
from .console import progress_bar
from .options import UsageError, text_of

__all__ = ["Answer", "LiveAnswer", "StopTexts", "check_stop"]

Run = TypeVar("Run", bound=Continuation)


def check_stop(texts: Sequence[str] | None) -> list[str]:
    """The texts of --stop. Raises `UsageError` for one that is empty."""
    if "" in (texts or ()):
        raise UsageError("--stop '' is empty, expected a text")
    return [text_of(text) for text in texts or ()]


class StopTexts:
    """Lets text through up to the first of some texts; what may be the beginning of one is held back."""

    def __init__(self, texts: Sequence[str]):
        self._texts, self._held = texts, ""
        self.found = False

    def push(self, text: str) -> str:
        """What of the text so far is certain now."""
        if self.found:
            return ""
        self._held += text
        places = [place for place in map(self._held.find, self._texts) if place >= 0]
        if places:
            self.found = True
            certain, self._held = self._held[:min(places)], ""
            return certain
        kept = max((size for stop in self._texts for size in range(1, len(stop)) if self._held.endswith(stop[:size])),
                   default=0)
        certain, self._held = self._held[:len(self._held) - kept], self._held[len(self._held) - kept:]
        return certain

    def flush(self) -> str:
        """What is left at the end."""
        certain, self._held = self._held, ""
        return certain


class Answer(Generic[Run]):
    """The text of a continuation; `begins`: it does not go on from the prompt's text, but answers it.

    Attributes
    ----------
    text: what is certain of it.
    """

    def __init__(self, run: Run, tokenizer: Tokenizer, stops: Sequence[str] = (), begins: bool = True):
        self.run, self.text = run, ""
        self._stream, self._stops = TextStream(tokenizer, begins), StopTexts(stops)

    def take(self, token: int) -> str:
        """The text that the next token makes certain; a stop text that is complete ends the run."""
        text = self._stops.push(self._stream.push(token))
        if self._stops.found:
            self.run.ended = Ended.STOP_TEXT
        return self._add(text)

    def finish(self) -> str:
        """What was held back; nothing when it is called again."""
        return self._add(self._stops.push(self._stream.flush()) + self._stops.flush())

    def _add(self, text: str) -> str:
        self.text += text
        return text


class LiveAnswer(Answer[Generation]):
    """An answer that is printed as it comes, and a line end behind it.

    Attributes
    ----------
    seconds: spent on decoding.
    """

    seconds = 0.0

    def print(self, limit: int, contexts: int) -> None:
        """Prefill, ``contexts`` positions a pass, and decode; Ctrl-C ends it as any other reason does."""
        try:
            self._prefill(contexts)
            started = time.perf_counter()
            for token in self.run.decode(limit):
                self.seconds = time.perf_counter() - started
                _write(self.take(token))
                if interrupts.pending and self.run.ended is not Ended.STOP_TEXT:  # it is held back
                    self.run.ended = Ended.INTERRUPT
        except KeyboardInterrupt:
            self.run.ended = Ended.INTERRUPT
        _write(self.finish() + "\n")

    def _prefill(self, contexts: int) -> None:
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("prompt", total=len(self.run.prompt))
            for done in self.run.prefill(contexts):
                progress.update(task, completed=done)
                if interrupts.pending:
                    raise KeyboardInterrupt


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
