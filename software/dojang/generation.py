"""The generation loop over a session: prompt, then one token after the other."""

from collections.abc import Collection, Iterator

from .checkpoints import LlamaShape
from .errors import DojangError
from .sampling import Sampler
from .sessions import Session, Step


class PromptError(DojangError):
    """The prompt is empty, longer than the context, or holds ids the model does not know."""


def check_prompt(ids: list[int], shape: LlamaShape, context: int | None = None) -> None:
    """Raise `PromptError` unless `ids` can be processed and leave room for one token."""
    context = shape.context if context is None else context
    if not ids:
        raise PromptError("the prompt is empty")
    if len(ids) > context:
        raise PromptError(f"the prompt has {len(ids)} tokens, longer than the context of {context}")
    if max(ids) >= shape.vocab or min(ids) < 0:
        raise PromptError(f"the prompt holds token id {max(ids)}, the model has {shape.vocab} tokens")


class Generation:
    """One run; its figures are valid at any time, also after an interrupt.

    The last prompt token is processed as the first decode step, so that every generated token costs exactly one.

    Parameters
    ----------
    session: a fresh session.
    prompt: token ids, at least one.
    sampler: choice of the next token.
    eos_ids: tokens that end the text (they are not part of it).

    Attributes
    ----------
    tokens: generated so far, without the end token.
    decode_cycles, dram_bytes: of the decode step of each of `tokens`.
    """

    def __init__(self, session: Session, prompt: list[int], sampler: Sampler, eos_ids: Collection[int]):
        self.prompt = prompt
        self.tokens: list[int] = []
        self.decode_cycles: list[int] = []
        self.dram_bytes: list[int] = []
        self.prefill_cycles = self.cycles = 0
        self._session, self._sampler, self._eos_ids = session, sampler, eos_ids
        self._matches: list[bool | None] = []

    @property
    def golden_match(self) -> bool | None:
        """True if every position was compared and equal, False if one differed, None if not all were compared."""
        if False in self._matches:
            return False
        return True if self._matches and None not in self._matches else None

    def prefill(self, chunk: int) -> Iterator[int]:
        """Process all prompt tokens but the last, `chunk` per pass; yields the number done so far."""
        for start in range(0, len(self.prompt) - 1, chunk):
            steps = self._session.prefill(self.prompt[start:min(start + chunk, len(self.prompt) - 1)])
            for step in steps:
                self._count(step)
            self.prefill_cycles = self.cycles
            yield start + len(steps)

    def decode(self, limit: int) -> Iterator[int]:
        """Yield up to `limit` tokens; ends earlier at an end token and when the context is full."""
        token = self.prompt[-1]
        for _ in range(min(limit, self._session.context - len(self.prompt) + 1)):
            step = self._session.decode(token)
            self._count(step)
            if step.candidates is None:
                raise AssertionError("a decode step reports candidates")
            token = self._sampler.choose(*step.candidates)
            if token in self._eos_ids:
                return
            self.tokens.append(token)
            self.decode_cycles.append(step.cycles)
            self.dram_bytes.append(step.dram_bytes)
            yield token

    def _count(self, step: Step) -> None:
        self.cycles += step.cycles
        self._matches.append(step.golden_match)
