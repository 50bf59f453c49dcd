"""The generation loop on a scripted session: what is processed when, when it ends, what is counted."""

import numpy as np
import pytest
from dojang.checkpoints import ModelShape
from dojang.generation import Conversation, Ended, Generation, PromptError, check_prompt
from dojang.sampling import Sampler
from dojang.sessions import Session, SessionError, Step

SHAPE = ModelShape(layers=1, d=32, heads=1, kv_heads=1, head_dim=32, ffn=32, vocab=50, context=12)


class Scripted(Session):
    """Answers token + 1; a pass costs 100 cycles, a decode step 30 + position."""

    def __init__(self, context=12, mismatch_at=None):
        super().__init__(context, contexts=4)
        self.calls, self._mismatch_at, self._decodes = [], mismatch_at, False

    def decode(self, token):
        self._decodes = True
        step = super().decode(token)
        self._decodes = False
        return step

    def _pass(self, parts):
        part, = parts
        self.calls.append(part.tokens[0] if self._decodes else part.tokens)
        cycles, last = 30 + part.position if self._decodes else 100, len(part.tokens) - 1
        return [[Step((np.array([0, token + 1]), np.array([0.0, 1.0])) if self._decodes else None, None,
                      cycles * (index == last), 7, part.position + index != self._mismatch_at)
                 for index, token in enumerate(part.tokens)]]

    def summary(self):
        return {}

    def close(self):
        pass


def run(session, prompt, limit, eos=(), chunk=4):
    generation = Generation(session, prompt, Sampler(), eos)
    done = list(generation.prefill(chunk))
    return generation, done, list(generation.decode(limit))


def test_every_generated_token_costs_one_decode_step():
    session = Scripted()
    generation, done, tokens = run(session, [1, 2, 3, 4, 5, 6, 7], 3)
    assert session.calls == [[1, 2, 3, 4], [5, 6], 7, 8, 9] and done == [4, 6]
    assert tokens == generation.tokens == [8, 9, 10]
    assert (generation.prefill_cycles, generation.decode_cycles) == (200, [36, 37, 38])
    assert generation.cycles == 200 + 36 + 37 + 38 and generation.dram_bytes == [7, 7, 7]
    assert generation.golden_match is True


def test_one_token_prompt_has_no_prefill():
    generation, done, tokens = run(Scripted(), [5], 2)
    assert (done, tokens, generation.prefill_cycles) == ([], [6, 7], 0)


def test_ends_at_an_end_token_which_is_not_text():
    generation, _, tokens = run(Scripted(), [1, 2], 10, eos={5})
    assert tokens == [3, 4] and len(generation.decode_cycles) == 2
    assert (generation.ended, generation.end_token) == (Ended.END_TOKEN, 5)


def test_ends_when_the_context_is_full():
    generation, _, tokens = run(Scripted(context=6), [1, 2, 3, 4], 10**12)
    assert tokens == [5, 6, 7]  # positions 3, 4 and 5 are the last three
    assert (generation.ended, generation.end_token) == (Ended.CONTEXT, None)


def test_ends_after_the_tokens_asked_for_also_at_the_end_of_the_context():
    assert run(Scripted(), [1, 2], 3)[0].ended is Ended.TOKENS
    assert run(Scripted(context=6), [1, 2, 3, 4], 3)[0].ended is Ended.TOKENS


def test_ends_when_somebody_says_so():
    generation = Generation(Scripted(), [1], Sampler(), ())
    for token in generation.decode(10):
        if token == 4:
            generation.ended = Ended.STOP_TEXT
    assert generation.tokens == [2, 3, 4] and generation.ended is Ended.STOP_TEXT


def test_what_the_cache_holds_is_not_processed_again():
    session = Scripted()
    conversation = Conversation(session)
    first = conversation.generation([1, 2, 3], Sampler(), ())
    assert list(first.prefill(4)) == [2] and list(first.decode(3)) == [4, 5, 6]
    assert first.processed == [1, 2, 3, 4, 5]  # the last token was chosen, not processed
    session.calls.clear()
    second = conversation.generation([1, 2, 3, 4, 9, 10], Sampler(), ())
    assert list(second.prefill(1)) == [5] and list(second.decode(1)) == [11]
    assert session.calls == [[9], 10] and second.processed == [1, 2, 3, 4, 9, 10]


@pytest.mark.parametrize("prompt, calls", [
    ([1, 2, 3], [3]), ([1, 2], [2]), ([7, 8], [[7], 8]), ([1, 2, 3, 4, 5, 6], [6]), ([1, 2, 3, 4, 5, 6, 7], [[6], 7])])
def test_the_last_token_of_a_prompt_is_always_processed(prompt, calls):
    session = Scripted()
    conversation = Conversation(session)
    first = conversation.generation([1, 2, 3], Sampler(), ())
    list(first.prefill(4))
    list(first.decode(3))
    session.calls.clear()
    again = conversation.generation(prompt, Sampler(), ())
    list(again.prefill(4))
    assert list(again.decode(1)) == [prompt[-1] + 1] and session.calls == calls
    assert session.length(0) == len(prompt) == len(again.processed)


def test_a_session_goes_back_only():
    session = Scripted()
    session.prefill([1, 2, 3])
    session.rewind(1)
    with pytest.raises(SessionError, match="position 2 was asked for, expected 0 to 1"):
        session.rewind(2)
    with pytest.raises(SessionError, match="position -1 was asked for"):
        session.rewind(-1)


@pytest.mark.parametrize("position", [0, 3, 5])
def test_one_differing_position_is_no_match(position):
    assert run(Scripted(mismatch_at=position), [1, 2, 3, 4], 3)[0].golden_match is False


def test_nothing_compared_is_unknown():
    assert Generation(Scripted(), [1], Sampler(), ()).golden_match is None


@pytest.mark.parametrize("ids, context, message", [
    ([], None, "the prompt is empty"),
    ([1] * 13, None, "the prompt has 13 tokens, longer than the context of 12"),
    ([1] * 12, 8, "the prompt has 12 tokens, longer than the context of 8"),
    ([50], None, "the prompt holds token id 50, the model has 50 tokens"),
])
def test_prompts_that_cannot_be_processed(ids, context, message):
    with pytest.raises(PromptError, match=message):
        check_prompt(ids, SHAPE, context)


def test_full_prompt_fits():
    check_prompt([1] * 12, SHAPE)
