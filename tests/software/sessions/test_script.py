"""Sequences that come and go, on both back ends that compute here."""

import numpy as np
import pytest
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.sessions.fast import FastSession
from dojang.sessions.golden import GoldenSession
from dojang_sim.golden.model import GoldenModel

from .models import MODELS, PLAIN, Alone
from .script import TILE, Add, Pass, Remove, Rewind, play, random_script

SESSIONS = {"golden": GoldenSession, "fast": FastSession}
ROWS = 12 * TILE


@pytest.mark.parametrize("backend", SESSIONS)
@pytest.mark.parametrize("name", MODELS)
def test_everybody_gets_what_it_would_get_alone(name, backend):
    checkpoint = random_checkpoint(MODELS[name], sharpness=3)
    with SESSIONS[backend](checkpoint, PLAIN.context, rows=ROWS) as session:
        passes = 500 if backend == "fast" or name == "plain" else 200
        script = random_script(sorted(MODELS).index(name), passes, PLAIN.vocab, session.context, session.contexts,
                               ROWS)
        play(session, script, Alone(checkpoint))


def test_fresh_models_agree():
    """What is expected above does not depend on what the model has done before."""
    checkpoint = random_checkpoint(MODELS["windows"], sharpness=3)
    alone, tokens = Alone(checkpoint), np.arange(100) % PLAIN.vocab
    alone(tokens[::-1])
    np.testing.assert_array_equal(alone(tokens), GoldenModel(checkpoint, 100).forward(tokens, 0))


@pytest.mark.parametrize("contexts", [32, 64, 4, 1])
def test_scripts_have_what_they_are_for(contexts):
    events = list(random_script(1, 500, 64, 100, contexts, ROWS))
    passes = [[len(tokens) for tokens in event.work.values()] for event in events if isinstance(event, Pass)]
    assert len(passes) == 500 and max(map(sum, passes)) == contexts
    assert all(min(counts) >= 1 and sum(counts) <= contexts for counts in passes)
    assert contexts < 4 or sum(1 in counts and max(counts) > 1 for counts in passes) > 50
    assert max(map(len, passes)) >= min(contexts, 6)
    added = [event for event in events if isinstance(event, Add)]
    assert 10 < sum(event.sequence is None for event in added) < len(added) - 30
    assert sum(isinstance(event, Remove) for event in events) > 20
    assert sum(isinstance(event, Rewind) and event.position > 0 for event in events) > 20
