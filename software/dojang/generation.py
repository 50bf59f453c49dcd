"""The generation loop over a session: prompt, then one token after the other, and why that ended."""

from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum

from .checkpoints import ModelShape
from .errors import DojangError
from .sampling import Sampler
from .sessions import Session, Step


class PromptError(DojangError):
    """The prompt is empty, too long for the context or the memory, or holds ids the model does not know."""


def check_length(ids: list[int], context: int) -> None:
    """Raise `PromptError` unless there are `ids`, and not too many."""
    if not ids:
        raise PromptError("the prompt is empty")
    if len(ids) > context:
        raise PromptError(f"the prompt has {len(ids)} tokens, longer than the context of {context}")


def check_prompt(ids: list[int], shape: ModelShape, context: int | None = None) -> None:
    """Raise `PromptError` unless `ids` can be processed and leave room for one token."""
    check_length(ids, shape.context if context is None else context)
    if max(ids) >= shape.vocab or min(ids) < 0:
        raise PromptError(f"the prompt holds token id {max(ids)}, the model has {shape.vocab} tokens")


class Ended(StrEnum):
    """Why a generation ended."""

    END_TOKEN = "end token"
    TOKENS = "tokens"
    CONTEXT = "context"
    STOP_TEXT = "stop text"
    INTERRUPT = "interrupt"


class Continuation:
    """What a prompt is continued with and why that ended; others bring the steps. Figures are valid at any time.

    Parameters
    ----------
    prompt: token ids.
    sampler: choice of the next token.
    eos_ids: tokens that end the text (they are not part of it).

    Attributes
    ----------
    tokens: generated so far, without the end token.
    processed: ids in the session's cache, by position.
    cycles: of the passes so far.
    decode_cycles, dram_bytes: of the pass that each of `tokens` came from.
    ended: None while it goes on; whoever stops it from outside may say why.
    end_token: the one that ended it, or None.
    """

    def __init__(self, prompt: list[int], sampler: Sampler, eos_ids: Collection[int]):
        self.prompt = prompt
        self.tokens: list[int] = []
        self.processed: list[int] = []
        self.decode_cycles: list[int] = []
        self.dram_bytes: list[int] = []
        self.cycles = 0
        self.ended: Ended | None = None
        self.end_token: int | None = None
        self._sampler, self._eos_ids = sampler, eos_ids
        self._matches: list[bool | None] = []

    @property
    def golden_match(self) -> bool | None:
        """True if every position was compared and equal, False if one differed, None if not all were compared."""
        return all_match(self._matches)

    def _count(self, tokens: Sequence[int], steps: Sequence[Step], cycles: int) -> None:
        """These tokens were processed, in a pass of so many cycles."""
        self.processed += tokens
        self.cycles += cycles
        self._matches += [step.golden_match for step in steps]

    def _choose(self, step: Step, cycles: int, dram_bytes: int) -> int | None:
        """The next of `tokens`, after a step whose pass had these figures; None if it ends the text."""
        if step.candidates is None:
            raise AssertionError("a sequence's last step in a pass reports candidates")
        token = self._sampler.choose(*step.candidates)
        if token in self._eos_ids:
            self.ended, self.end_token = Ended.END_TOKEN, token
            return None
        self.tokens.append(token)
        self.decode_cycles.append(cycles)
        self.dram_bytes.append(dram_bytes)
        return token

    def _end_if_full(self, limit: int, context: int) -> None:
        """End with the last token that was asked for, or that there is a position for, unless ended already."""
        if self.ended is None and len(self.tokens) == limit:
            self.ended = Ended.TOKENS
        elif self.ended is None and len(self.processed) == context:
            self.ended = Ended.CONTEXT


class Generation(Continuation):
    """One run of its own.

    The last prompt token is processed as the first decode step, so that every generated token costs exactly one.

    Parameters
    ----------
    session: at position ``known``.
    prompt, sampler, eos_ids: as `Continuation`'s; the prompt has more than ``known`` tokens.
    known: the first so many tokens of the prompt are in the session's cache already.

    Attributes
    ----------
    prefill_cycles: of all prompt tokens but the last.
    """

    def __init__(self, session: Session, prompt: list[int], sampler: Sampler, eos_ids: Collection[int],
                 known: int = 0):
        super().__init__(prompt, sampler, eos_ids)
        self.processed = prompt[:known]
        self.prefill_cycles = 0
        self._session = session

    def prefill(self, chunk: int) -> Iterator[int]:
        """Process all prompt tokens but the last, `chunk` per pass; yields the number of positions done so far."""
        end = len(self.prompt) - 1
        for start in range(len(self.processed), end, chunk):
            tokens = self.prompt[start:min(start + chunk, end)]
            steps = self._session.prefill(tokens)
            self._count(tokens, steps, sum(step.cycles for step in steps))
            self.prefill_cycles = self.cycles
            yield len(self.processed)

    def decode(self, limit: int) -> Iterator[int]:
        """Yield up to `limit` tokens; ends earlier at an end token and when the context is full."""
        token: int | None = self.prompt[-1]
        while self.ended is None:
            step = self._session.decode(token)
            self._count([token], [step], step.cycles)
            token = self._choose(step, step.cycles, step.dram_bytes)
            if token is None:
                return
            yield token
            self._end_if_full(limit, self._session.context)


def all_match(matches: Collection[bool | None]) -> bool | None:
    """True if all are, False if one is, else None."""
    if False in matches:
        return False
    return True if matches and None not in matches else None


class Conversation:
    """Generations one after the other on one session; what the next prompt shares with the cache is not done again."""

    def __init__(self, session: Session):
        self._session = session
        self._last: Generation | None = None

    def generation(self, prompt: list[int], sampler: Sampler, eos_ids: Collection[int]) -> Generation:
        """The next one; the session is rewound to where it differs from what was processed."""
        done = self._last.processed if self._last else []
        known = 0
        while known < min(len(done), len(prompt) - 1) and done[known] == prompt[known]:
            known += 1
        self._session.rewind(known)
        self._last = Generation(self._session, prompt, sampler, eos_ids, known)
        return self._last
