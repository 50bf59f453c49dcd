"""Requests that share the passes of one session, from the first to the last of each: continuous batching."""

from collections import deque
from collections.abc import Collection, Iterator, Sequence

from .generation import Continuation, Ended, PromptError, check_length
from .sampling import Sampler
from .sessions import MemoryFullError, Session, Step, whole_tiles

__all__ = ["Batch", "Request"]


class Request(Continuation):
    """A prompt to be continued by a `Batch`; its first token comes from the pass that has the prompt's last one.

    Parameters
    ----------
    prompt, sampler, eos_ids: as `Continuation`'s.
    limit: tokens at most.

    Attributes
    ----------
    passes: how many have had tokens of it. Their figures (`cycles`, `decode_cycles`, `dram_bytes`) are those of all who
        shared them.
    """

    def __init__(self, prompt: list[int], sampler: Sampler, eos_ids: Collection[int], limit: int):
        if limit < 1:
            raise ValueError(f"limit={limit}, expected at least 1")
        super().__init__(prompt, sampler, eos_ids)
        self.limit, self.passes = limit, 0

    @property
    def decoding(self) -> bool:
        """The prompt is processed: one token a pass."""
        return len(self.processed) >= len(self.prompt)

    def pending(self) -> list[int]:
        """The tokens that it knows and that are not processed."""
        return [self.tokens[-1]] if self.decoding else self.prompt[len(self.processed):]

    def take(self, tokens: Sequence[int], steps: Sequence[Step], cycles: int, dram_bytes: int,
             context: int) -> int | None:
        """What a pass with these of the pending tokens has given: the next token, if there is one.

        Parameters
        ----------
        cycles, dram_bytes: of the pass.
        context: the session's.
        """
        self._count(tokens, steps, cycles)
        self.passes += 1
        if not self.decoding:
            return None
        token = self._choose(steps[-1], cycles, dram_bytes)
        self._end_if_full(self.limit, context)
        return token


class Batch:
    """Runs requests on a session, as many at once as its K/V memory has room for.

    They are admitted in order of arrival: the first waits for its range of rows, the others behind it. In every pass
    each decoding request has one context; contexts left over have prompt tokens of the others, again in order of
    arrival. So nobody who decodes ever waits, and as many decode at once as there are contexts: a prompt ends in one
    that was left over.

    Parameters
    ----------
    session: other sequences may be in its memory, where they take room.

    Attributes
    ----------
    waiting: submitted and not admitted, in order of arrival.
    passes, cycles, dram_bytes: sums over all passes so far.
    """

    def __init__(self, session: Session):
        self.waiting: deque[Request] = deque()
        self.passes = self.cycles = self.dram_bytes = 0
        self._session = session
        self._running: dict[Request, int] = {}  # with their sequences, in order of arrival

    @property
    def running(self) -> list[Request]:
        """Admitted and not ended, in order of arrival."""
        return list(self._running)

    def submit(self, request: Request) -> None:
        """Let it wait for its turn.

        Raises
        ------
        PromptError: the prompt is empty, or longer than the context, or it could not run if it were alone.
        ValueError: it was submitted already, or has ended.
        """
        if request.ended is not None or request in self.waiting or request in self._running:
            raise ValueError("a request was submitted that runs, waits or has ended already, expected a new one")
        check_length(request.prompt, self._session.context)
        rows = whole_tiles(self._positions(request))
        if rows > self._session.rows:
            raise PromptError(f"the prompt of {len(request.prompt)} tokens and up to {request.limit} more need {rows} "
                              f"rows of K/V memory, there are {self._session.rows}")
        self.waiting.append(request)

    def cancel(self, request: Request, why: Ended = Ended.INTERRUPT) -> None:
        """End it, wherever it is; one that has ended stays as it is."""
        if request.ended is None:
            request.ended = why
        self._forget(request)

    def step(self) -> list[tuple[Request, int]]:
        """Do one pass, if there is anything to do: the new tokens, none of a request that ends with an end token.

        Requests whose ``ended`` was set from outside are cancelled first.

        Raises
        ------
        MemoryFullError: nothing runs, and sequences that are not the batch's leave no room.
        DojangError: the session has failed.
        """
        for request in [*self.waiting, *self._running]:
            if request.ended is not None:
                self._forget(request)
        self._admit()
        work = self._work()
        if not work:
            return []
        steps = self._session.step({self._running[request]: tokens for request, tokens in work.items()})
        cycles = sum(step.cycles for of_one in steps.values() for step in of_one)
        dram_bytes = sum(step.dram_bytes for of_one in steps.values() for step in of_one)
        self.passes, self.cycles, self.dram_bytes = self.passes + 1, self.cycles + cycles, self.dram_bytes + dram_bytes
        found: list[tuple[Request, int]] = []
        for request, tokens in work.items():
            token = request.take(tokens, steps[self._running[request]], cycles, dram_bytes, self._session.context)
            if token is not None:
                found.append((request, token))
            if request.ended is not None:
                self._forget(request)
        return found

    def run(self) -> Iterator[tuple[Request, int]]:
        """New tokens, pass by pass, until all requests, those submitted meanwhile too, have ended."""
        while self.waiting or self._running:
            yield from self.step()

    def _positions(self, request: Request) -> int:
        return min(len(request.prompt) + request.limit, self._session.context)

    def _admit(self) -> None:
        while self.waiting:
            try:
                sequence = self._session.add(self._positions(self.waiting[0]))
            except MemoryFullError:
                if not self._running:
                    raise
                return
            self._running[self.waiting.popleft()] = sequence

    def _work(self) -> dict[Request, list[int]]:
        """Tokens of the next pass; first those of who decodes."""
        work = {request: request.pending() for request in self._running if request.decoding}
        left = self._session.contexts - len(work)
        for request in self._running:
            if left and not request.decoding:
                work[request] = request.pending()[:left]
                left -= len(work[request])
        return work

    def _forget(self, request: Request) -> None:
        if request in self.waiting:
            self.waiting.remove(request)
        if request in self._running:
            self._session.remove(self._running.pop(request))
