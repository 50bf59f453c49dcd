"""The generation loop on a scripted session: what is processed when, when it ends, what is counted."""

import numpy as np
import pytest
from dojang.checkpoints import LlamaShape
from dojang.generation import Generation, PromptError, check_prompt
from dojang.sampling import Sampler
from dojang.sessions import Session, Step

SHAPE = LlamaShape(layers=1, d=32, heads=1, kv_heads=1, head_dim=32, ffn=32, vocab=50, context=12)


class Scripted(Session):
    """Answers token + 1; a pass costs 100 cycles, a decode step 30 + position."""

    def __init__(self, context=12, mismatch_at=None):
        self.context, self.calls, self.position, self._mismatch_at = context, [], 0, mismatch_at

    def _step(self, cycles):
        self.position += 1
        return Step(None, None, cycles, 7, self.position - 1 != self._mismatch_at)

    def prefill(self, tokens):
        self.calls.append(list(tokens))
        return [self._step(100 if index == len(tokens) - 1 else 0) for index in range(len(tokens))]

    def decode(self, token):
        assert self.position < self.context
        self.calls.append(token)
        step = self._step(30 + self.position)
        return Step((np.array([0, token + 1]), np.array([0.0, 1.0])), None, step.cycles, 7, step.golden_match)

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


def test_ends_when_the_context_is_full():
    _, _, tokens = run(Scripted(context=6), [1, 2, 3, 4], 10)
    assert tokens == [5, 6, 7]  # positions 3, 4 and 5 are the last three


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
