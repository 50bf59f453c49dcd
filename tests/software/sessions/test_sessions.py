"""What a session promises, and every sentence with which it refuses; on both back ends that compute here."""

import numpy as np
import pytest
from dojang.checkpoints.synthetic import random_checkpoint, random_set
from dojang.sessions import MemoryFullError, SessionError, open_session
from dojang.sessions.fast import FastSession
from dojang.sessions.golden import GoldenSession
from dojang_hdl.config import preset

from .models import MODELS, PLAIN, Alone

CHECKPOINT = random_checkpoint(MODELS["windows"], sharpness=3)


@pytest.fixture(params=[GoldenSession, FastSession], ids=["golden", "fast"])
def session(request):
    """Of five tiles; a sequence may have 100 positions."""
    with request.param(CHECKPOINT, PLAIN.context, rows=160) as session:
        yield session


def same(steps, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(np.array([step.logits for step in steps]).view(np.uint32), expected.view(np.uint32))


def test_numbers_count_up_and_are_never_used_again(session):
    assert [session.add(10), session.add(10), session.add(33)] == [0, 1, 2]
    with pytest.raises(MemoryFullError):
        session.add(33)
    session.remove(1)
    session.remove(0)
    assert session.add(64) == 3


def test_a_pass_of_several(session):
    one, other = session.add(30), session.add()
    tokens = [5, 6, 7]
    first = session.step({other: tokens, one: [1]})
    second = session.step({one: [2], other: [8]})
    alone = Alone(CHECKPOINT)
    same(first[one] + second[one], alone([1, 2]))
    same(first[other] + second[other], alone([*tokens, 8]))
    assert list(first) == [other, one] and (session.length(one), session.length(other)) == (2, 4)
    assert [step.candidates is None for step in first[other]] == [True, True, False]
    ids, values = first[other][-1].candidates
    np.testing.assert_array_equal(values, first[other][-1].logits[ids])


def test_the_sessions_own_sequence_is_one_of_them(session):
    other = session.add(20)
    session.step({other: [9] * 5})
    tokens = [number % 64 for number in range(70)]
    steps = [*session.prefill(tokens), session.decode(7)]
    same(steps, Alone(CHECKPOINT)([*tokens, 7]))
    session.rewind(3)
    same([session.decode(1)], Alone(CHECKPOINT)([*tokens[:3], 1])[-1:])
    assert session.length(1) == 4 and session.length(other) == 5
    session.remove(1)
    assert session.prefill([]) == []
    same(session.prefill([4]), Alone(CHECKPOINT)([4]))
    assert session.length(2) == 1


def test_nobody_goes_along_when_one_goes_back(session):
    one, other = session.add(40), session.add(40)
    session.step({one: [1, 2, 3], other: [4, 5, 6]})
    session.rewind(1, other)
    steps = session.step({one: [7], other: [8]})
    same(steps[one], Alone(CHECKPOINT)([1, 2, 3, 7])[-1:])
    same(steps[other], Alone(CHECKPOINT)([4, 8])[-1:])


@pytest.mark.parametrize("kind", [GoldenSession, FastSession])
def test_a_scale_set_is_the_whole_sessions(kind):
    other = random_set(CHECKPOINT, "set", 1)
    with kind(CHECKPOINT, 100, [other], rows=128) as session:
        numbers = session.add(20), session.add(20)
        session.use_set(1)
        steps = session.step({number: [number + 3] for number in numbers})
        for number in numbers:
            same(steps[number], Alone(CHECKPOINT.with_set(other))([number + 3]))


def refusals(session):
    """Calls that are refused, with the sentences (as patterns), where there are
    sequences 0, of 40 positions, and 2, of 32."""
    gone = "there is no sequence {}: it was never added, or it has been removed"
    full = "a sequence of {} positions needs {} rows of K/V memory in one range, the largest free one has 32 of 64 "\
           "free rows"
    many = session.contexts + 1
    return [
        (lambda: session.add(0), "a sequence of 0 positions was asked for, expected 1 to 100"),
        (lambda: session.add(101), "a sequence of 101 positions was asked for, expected 1 to 100"),
        (lambda: session.add(33), full.format(33, 64)),
        (session.add, full.format(100, 128)),
        (lambda: session.decode(1), full.format(100, 128)),
        (lambda: session.step({}), f"0 tokens in a pass, expected 1 to {session.contexts}"),
        (lambda: session.step({0: [1] * (many - 1), 2: [1]}),
         f"{many} tokens in a pass, expected 1 to {session.contexts}"),
        (lambda: session.step({0: [1], 2: []}), "sequence 2 has no tokens in the pass, expected at least one"),
        (lambda: session.step({0: [1], 3: [1]}), gone.format(3)),
        (lambda: session.step({0: [1], 1: [1]}), gone.format(1)),
        (lambda: session.step({0: [1], 2: [1] * (33 - session.length(2))}),
         "sequence 2 would have 33 positions, expected at most 32"),
        (lambda: session.remove(1), gone.format(1)),
        (lambda: session.length(7), gone.format(7)),
        (lambda: session.rewind(0, 1), gone.format(1)),
        (lambda: session.rewind(40, 0), r"position 40 was asked for, expected 0 to \d+"),
        (lambda: session.rewind(-1, 2), r"position -1 was asked for, expected 0 to \d+"),
    ]


def test_what_is_refused_changes_nothing(session):
    zero, one, two = session.add(40), session.add(5), session.add(32)
    session.remove(one)
    session.step({zero: [1, 2, 3], two: [4, 5, 6]})
    heard, tokens = {zero: [], two: []}, {zero: [1, 2, 3], two: [4, 5, 6]}
    for call, sentence in refusals(session):
        with pytest.raises(SessionError, match=f"^{sentence}$"):
            call()
        work = {zero: [len(heard[zero])], two: [9]}
        for number, steps in session.step(work).items():
            heard[number] += steps
            tokens[number] += work[number]
    for number in (zero, two):
        same(heard[number], Alone(CHECKPOINT)(tokens[number])[3:])
    assert session.add(32) == 3


def test_ids_that_the_model_does_not_know(session):
    one, other = session.add(10), session.add(10)
    with pytest.raises(ValueError, match="token ids from 64 to 64, expected 0 to 63"):
        session.step({one: [1], other: [64]})
    assert session.length(one) == session.length(other) == 0
    same(session.step({one: [2], other: [3]})[one], Alone(CHECKPOINT)([2]))


def test_a_prompt_that_is_too_long_is_refused_as_a_whole(session):
    session.prefill([1] * 30)
    with pytest.raises(SessionError, match=r"^sequence 0 would have 101 positions, expected at most 100$"):
        session.prefill([1] * 71)
    assert session.length(0) == 30


@pytest.mark.parametrize("rows", [0, 33, -32])
def test_memory_of_whole_tiles(rows):
    with pytest.raises(SessionError, match=rf"^K/V memory of rows={rows}, expected a multiple of 32 and at least that"):
        GoldenSession(CHECKPOINT, 100, rows=rows)


@pytest.mark.parametrize("backend, contexts", [("golden", 64), ("fast", 32)])
def test_open_session(backend, contexts):
    for rows, expected in ((None, 64), (320, 320)):
        with open_session(CHECKPOINT, preset("sim-1x1"), backend, context=33, rows=rows) as session:
            assert (session.context, session.contexts, session.rows) == (33, contexts, expected)
            assert [session.add() for _ in range(expected // 64)] == list(range(expected // 64))


def test_a_session_may_have_less_memory_than_a_context():
    with FastSession(CHECKPOINT, 100, rows=32) as session:
        with pytest.raises(MemoryFullError):
            session.prefill([1])
        number = session.add(32)
        assert len(session.step({number: [1] * 32})[number]) == 32
