"""Continuous batching: who has which context of which pass, who waits for memory, how each request ends."""

from collections import Counter

import numpy as np
import pytest
from dojang.batching import Batch, Request
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.generation import Ended, Generation, PromptError
from dojang.sampling import Sampler
from dojang.sessions import MemoryFullError, Session, SessionError, Step
from dojang.sessions.fast import FastSession

from .sessions.models import MODELS, PLAIN


class Scripted(Session):
    """The best token is the last one plus one. A pass costs 100 cycles, and 10 bytes a token."""

    def __init__(self, context=64, contexts=4, rows=256, mismatch=None):
        super().__init__(context, contexts, rows)
        self.passes, self.removed, self.broken = [], [], False
        self._mismatch = mismatch

    def _pass(self, parts):
        if self.broken:
            raise SessionError("broken")
        self.passes.append({part.sequence: part.tokens for part in parts})
        return [[Step((np.array([0, token + 1]), np.array([0.0, 1.0])) if at == len(part.tokens) - 1 else None, None,
                      100 * (part is parts[-1] and at == len(part.tokens) - 1), 10, token != self._mismatch)
                 for at, token in enumerate(part.tokens)] for part in parts]

    def _removed(self, sequence):
        self.removed.append(sequence)

    def summary(self):
        return {}

    def close(self):
        pass


def request(prompt, limit=3, eos=(), sampler=None):
    return Request(list(prompt), sampler or Sampler(), eos, limit)


def batch_of(session, *requests):
    batch = Batch(session)
    for one in requests:
        batch.submit(one)
    return batch


def test_one_request_alone():
    session, one = Scripted(), request([5, 6, 7, 8, 9, 10])
    batch = batch_of(session, one)
    assert list(batch.run()) == [(one, 11), (one, 12), (one, 13)]
    assert session.passes == [{0: [5, 6, 7, 8]}, {0: [9, 10]}, {0: [11]}, {0: [12]}]
    assert (one.tokens, one.ended, one.golden_match) == ([11, 12, 13], Ended.TOKENS, True)
    assert (one.passes, one.cycles, one.decode_cycles, one.dram_bytes) == (4, 400, [100] * 3, [20, 10, 10])
    assert (batch.passes, batch.cycles, batch.dram_bytes) == (4, 400, 80)
    assert session.removed == [0] and not batch.waiting and not batch.running


def test_prompts_take_what_decoding_leaves_in_order_of_arrival():
    session = Scripted()
    first, second, third = request([10], 5), request(range(20, 26), 2), request(range(30, 34), 2)
    assert [(one.prompt[0], token) for one, token in batch_of(session, first, second, third).run()] == [
        (10, 11), (10, 12), (20, 26), (10, 13), (20, 27), (10, 14), (30, 34), (10, 15), (30, 35)]
    assert session.passes == [
        {0: [10], 1: [20, 21, 22]}, {0: [11], 1: [23, 24, 25]}, {0: [12], 1: [26], 2: [30, 31]},
        {0: [13], 2: [32, 33]}, {0: [14], 2: [34]}]


def test_who_decodes_is_in_every_pass_whatever_prompts_arrive():
    session = Scripted(context=256, contexts=8, rows=4096)
    batch = batch_of(session, request([1], 60))
    for number in range(12):
        batch.submit(request(range(100, 100 + 10 * number + 1), 1))
    done = Counter(one.prompt[0] for one, _ in batch.run())
    assert done[1] == 60 and len(session.passes) >= 60
    assert all(0 in tokens for tokens in session.passes[:60])
    assert all(sum(map(len, tokens.values())) == 8 for tokens in session.passes[:60])


@pytest.mark.parametrize("contexts", [1, 3, 4])
@pytest.mark.parametrize("count", [3, 7, 12])
def test_as_many_decode_as_there_are_contexts_each_in_every_pass(count, contexts):
    """The others begin in order of arrival, each in the pass after one has ended."""
    session = Scripted(contexts=contexts, rows=64 * count)
    requests = [request([number * 100], 3 + number % 4) for number in range(count)]
    batch, found = batch_of(session, *requests), []
    while batch.running or batch.waiting:
        found.append([one for one, _ in batch.step()])
    for number, one in enumerate(requests):
        passes = [index for index, of_pass in enumerate(found) if one in of_pass]
        assert passes == list(range(passes[0], passes[0] + one.limit))
        assert all(found.index(next(of_pass for of_pass in found if earlier in of_pass)) <= passes[0]
                   for earlier in requests[:number])
    begun = min(index for index, of_pass in enumerate(found) if requests[-1] in of_pass)
    assert all(len(of_pass) == min(contexts, count) for of_pass in found[:begun])


def test_the_first_waits_for_memory_and_nobody_overtakes_it():
    session = Scripted(context=64, rows=96)
    long, longer, short = request([1], 40), request([2], 50), request([3], 2)
    batch = batch_of(session, long, longer, short)
    batch.step()
    assert batch.running == [long] and list(batch.waiting) == [longer, short]
    while long.ended is None:
        batch.step()
    batch.step()
    assert batch.running == [longer, short] and not batch.waiting
    list(batch.run())
    assert longer.ended is short.ended is Ended.TOKENS and session.removed == [0, 2, 1]


def test_what_others_hold_is_waited_for_while_something_runs():
    session = Scripted(context=64, rows=96)
    session.prefill([1])
    batch = batch_of(session, request([1], 20), request([2], 20))
    list(batch.run())
    batch.submit(request([3], 40))
    with pytest.raises(MemoryFullError, match="needs 64 rows of K/V memory in one range, the largest free one has 32"):
        batch.step()
    session.remove(0)
    assert len(list(batch.run())) == 40


def test_ends_at_an_end_token_which_is_not_text():
    session = Scripted()
    one, other = request([1], 9, eos={4}), request([1], 4)
    assert [token for _, token in batch_of(session, one, other).run()] == [2, 2, 3, 3, 4, 5]
    assert (one.ended, one.end_token, one.tokens) == (Ended.END_TOKEN, 4, [2, 3]) and session.removed == [0, 1]
    assert len(one.decode_cycles) == 2 and one.passes == 3


def test_ends_when_the_context_is_full():
    one = request([1, 2, 3, 4], 10**12)
    list(batch_of(Scripted(context=6), one).run())
    assert one.tokens == [5, 6, 7] and one.ended is Ended.CONTEXT


def test_cancelling_who_waits_who_reads_its_prompt_and_who_decodes():
    session = Scripted(context=64, rows=192)
    decodes, reads, stays, waits = request([1], 60), request(range(2, 40)), request([50], 60), request([70], 60)
    batch = batch_of(session, decodes, reads, stays, waits)
    batch.step()
    batch.step()
    assert decodes.decoding and not reads.decoding and list(batch.waiting) == [waits]
    batch.cancel(waits)
    batch.cancel(decodes, Ended.STOP_TEXT)
    reads.ended = Ended.STOP_TEXT
    batch.step()
    assert session.removed == [0, 1] and batch.running == [stays] and session.passes[-1] == {2: [50]}
    assert (waits.ended, decodes.ended) == (Ended.INTERRUPT, Ended.STOP_TEXT)
    batch.cancel(decodes)
    assert decodes.ended is Ended.STOP_TEXT and session.removed == [0, 1]
    assert len(list(batch.run())) == 59


def test_stopped_by_the_reader():
    one, other = request([1], 50), request([100], 5)
    batch = batch_of(Scripted(), one, other)
    for stopped, token in batch.run():
        if token == 4:
            batch.cancel(stopped, Ended.STOP_TEXT)
            batch.submit(request([200], 2))
    assert one.tokens == [2, 3, 4] and one.ended is Ended.STOP_TEXT and len(other.tokens) == 5


def test_nothing_to_do():
    session = Scripted()
    batch = Batch(session)
    assert batch.step() == [] and list(batch.run()) == [] and batch.passes == 0 and session.passes == []


def test_a_pass_that_fails_can_be_done_again():
    session, one = Scripted(), request([1, 2])
    batch = batch_of(session, one, request([9]))
    batch.step()
    session.broken = True
    with pytest.raises(SessionError, match="broken"):
        batch.step()
    session.broken = False
    assert [token for _, token in batch.run()] == [4, 11, 5, 12] and one.tokens == [3, 4, 5]


def test_golden_matches_are_of_each_request():
    one, other = request([1, 2]), request([7])
    list(batch_of(Scripted(mismatch=8), one, other).run())
    assert one.golden_match is True and other.golden_match is False


def test_requests_that_are_refused():
    batch = Batch(Scripted(context=64, rows=32))
    for refused, message in (
            (request([]), "the prompt is empty"),
            (request([1] * 65), "the prompt has 65 tokens, longer than the context of 64"),
            (request([1] * 20, 20),
             "the prompt of 20 tokens and up to 20 more need 64 rows of K/V memory, there are 32")):
        with pytest.raises(PromptError, match=f"^{message}$"):
            batch.submit(refused)
    fits = request([1] * 20, 12)
    batch.submit(fits)
    for again in range(3):
        with pytest.raises(ValueError, match="expected a new one"):
            batch.submit(fits)
        if again:
            list(batch.run())
        else:
            batch.step()
    with pytest.raises(ValueError, match=r"^limit=0, expected at least 1$"):
        request([1], 0)


def test_everybody_gets_what_generation_gives_alone():
    """Of different lengths and samplers, arriving while others run, with memory for a few."""
    checkpoint, rng = random_checkpoint(MODELS["windows"], sharpness=3), np.random.default_rng(1)
    cases = [(rng.integers(0, PLAIN.vocab, rng.integers(1, 80)).tolist(), int(rng.integers(1, 60)), seed)
             for seed in range(25)]
    eos, expected = {3, 17}, []
    for prompt, limit, seed in cases:
        with FastSession(checkpoint, PLAIN.context) as session:
            alone = Generation(session, prompt, Sampler(seed % 3 / 2, 0.9, seed), eos)
            list(alone.prefill(16))
            list(alone.decode(limit))
            expected.append(alone)
    assert {alone.ended for alone in expected} == {Ended.TOKENS, Ended.END_TOKEN, Ended.CONTEXT}
    with FastSession(checkpoint, PLAIN.context, rows=512) as session:
        batch, requests = Batch(session), []
        for prompt, limit, seed in cases:
            requests.append(request(prompt, limit, eos, Sampler(seed % 3 / 2, 0.9, seed)))
            batch.submit(requests[-1])
            for _ in range(seed % 4):
                batch.step()
        list(batch.run())
        assert session.add(PLAIN.context) >= 25 and session._pool.largest_free == 512 - 128
    for found, alone in zip(requests, expected, strict=True):
        for name in ("tokens", "processed", "ended", "end_token", "golden_match"):
            assert getattr(found, name) == getattr(alone, name)
    assert batch.passes < sum(len(alone.processed) for alone in expected) / 4
