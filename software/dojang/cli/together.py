"""Answers to several prompts, whose passes are shared."""

import sys
from collections.abc import Sequence

from rich.progress import MofNCompleteColumn

from ..batching import Batch, Request
from ..generation import Ended
from .answer import Answer
from .console import progress_bar

__all__ = ["Together"]


class Together:
    """Runs the answers of one batch and prints them in their order: the first that has not ended as it comes, those
    behind it when their turn has come.

    Parameters
    ----------
    scheduler: has nothing to do yet.
    prompts: texts that are printed before the answers.
    answers: of `Request`s.
    """

    def __init__(self, scheduler: Batch, prompts: Sequence[str], answers: Sequence[Answer[Request]]):
        self._scheduler, self._prompts, self._answers = scheduler, prompts, answers
        self._of = {answer.run: answer for answer in answers}
        self._at, self._printed = -1, 0   # the answer that is printed, and how many characters of it have been
        for answer in answers:
            scheduler.submit(answer.run)

    def run(self) -> None:
        """Until all have ended; Ctrl-C ends them as any other reason does."""
        try:
            self._read_prompts()
            while any(answer.run.ended is None for answer in self._answers):
                self._step()
                self._print()
        except KeyboardInterrupt:
            for answer in self._answers:
                self._scheduler.cancel(answer.run, Ended.INTERRUPT)
        for answer in self._answers:
            answer.finish()
        self._print()
        sys.stdout.write("\n")
        sys.stdout.flush()

    def _read_prompts(self) -> None:
        """Passes up to the first that gives a token; later there is text to look at."""
        with progress_bar(MofNCompleteColumn()) as progress:
            task = progress.add_task("prompts", total=sum(len(answer.run.prompt) for answer in self._answers))
            while not any(answer.run.tokens or answer.run.ended for answer in self._answers):
                self._step()
                progress.update(task, completed=sum(len(answer.run.processed) for answer in self._answers))

    def _step(self) -> None:
        for request, token in self._scheduler.step():
            answer = self._of[request]
            answer.take(token)
            if request.ended is not None:
                answer.finish()

    def _print(self) -> None:
        """What may be printed by now."""
        while True:
            if self._at >= 0:
                answer = self._answers[self._at]
                sys.stdout.write(answer.text[self._printed:])
                self._printed = len(answer.text)
                if answer.run.ended is None or self._at + 1 == len(self._answers):
                    break
            self._at, self._printed = self._at + 1, 0
            sys.stdout.write("\n" * (self._at > 0) + f"[{self._at + 1}] {self._prompts[self._at]}")
        sys.stdout.flush()
