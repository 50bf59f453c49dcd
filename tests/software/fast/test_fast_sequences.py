"""Sequences that share the compiled model's cache: nothing in it reaches another one; changes are caught."""

import ctypes

import numpy as np
import pytest
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.fast import FastModel
from dojang.sessions.fast import FastSession

from ..sessions.models import MODELS, PLAIN, Alone
from ..sessions.script import TILE, play, random_script

ROWS = 12 * TILE

POISON = """void dojang_fast_poison(void *model, int64_t start, int64_t rows) {
    for (Layer &layer : model_of(model).layers)
        for (Head &head : layer.heads)
            for (long row = start; row < start + rows; row++) {
                for (long column = 0; column < head.keys.room; column++)
                    head.keys.put(head.keys.bytes.data(), row, column, -128);
                for (long product = 0; product < head.keys.products; product++)
                    head.keys.scale[(row / ROWS * head.keys.products + product) * ROWS + row % ROWS] = 0x7E00;
                for (long element = 0; element < head.values.rows; element++)
                    head.values.put(head.values.bytes.data(), element, row, -128);
                head.v_scale[row] = float_of(0x7FC00000);
            }
}

"""
"""Of rows of all caches: codes that no cache has, scales that are no numbers."""


class Poisoned(FastSession):
    """Every row is poisoned at first, and those of a removed sequence again."""

    def __init__(self, checkpoint, rows: int):
        super().__init__(checkpoint, PLAIN.context, rows=rows)
        self._ranges = {}
        self._poison(0, rows)

    def _poison(self, start: int, rows: int) -> None:
        self._model._library.dojang_fast_poison(
            ctypes.c_void_p(self._model._handle), ctypes.c_int64(start), ctypes.c_int64(rows))

    def _added(self, sequence: int, start: int, positions: int) -> None:
        self._ranges[sequence] = start, -(-positions // TILE) * TILE

    def _removed(self, sequence: int) -> None:
        self._poison(*self._ranges.pop(sequence))


def script_for(session):
    return random_script(7, 200, PLAIN.vocab, session.context, session.contexts, ROWS)


def poisonable(change) -> None:
    before = "bool dojang_fast_nonfinite(void *model)"
    change("forward.cpp", before, POISON + before)


def test_what_was_in_free_rows_reaches_nobody(change):
    poisonable(change)
    for shape in MODELS.values():
        checkpoint = random_checkpoint(shape, sharpness=3)
        with Poisoned(checkpoint, ROWS) as session:
            play(session, script_for(session), Alone(checkpoint))
            assert not session._model.nonfinite


@pytest.mark.parametrize("victim", [0, 1])
def test_poison_that_is_looked_at_shows(victim, change):
    """In the sequence whose it is alone, be it in one row of twelve."""
    poisonable(change)
    checkpoint = random_checkpoint(PLAIN, sharpness=3)
    with Poisoned(checkpoint, ROWS) as session:
        numbers = session.add(20), session.add(20)
        session.step({number: [1] * 12 for number in numbers})
        session._poison(TILE * victim + 10, 1)
        steps = session.step({number: [2] for number in numbers})
        expected = Alone(checkpoint)([*[1] * 12, 2])[-1]
        assert [np.array_equal(steps[number][0].logits, expected) for number in numbers] == [victim == 1, victim == 0]
        assert session._model.nonfinite


MUTATIONS = {
    "keys of the first rows": ("attention.h", "{start + first, span, 0}", "{first, span, 0}"),
    "values of the first rows": ("attention.h", "(start + first) / BLOCK", "first / BLOCK"),
    "scales of the first rows": ("attention.h", "&head.v_scale[start + first]", "&head.v_scale[first]"),
    "kept two tiles apart only": ("model.h", "head.store(tables, stretch.start +",
                                  "head.store(tables, stretch.start / 64 * 64 +"),
}


@pytest.mark.slow
@pytest.mark.parametrize("mutation", MUTATIONS)
def test_mutation_is_caught(mutation, change):
    change(*MUTATIONS[mutation])
    checkpoint = random_checkpoint(MODELS["windows"], sharpness=3)
    with FastSession(checkpoint, PLAIN.context, rows=ROWS) as session, pytest.raises(AssertionError):
        play(session, script_for(session), Alone(checkpoint))


@pytest.mark.parametrize("parts, message", [
    ([(0, 0, [1] * 20), (32, 0, [1] * 13)], "33 tokens in a pass, expected 1 to 32"),
    ([], "0 tokens in a pass, expected 1 to 32"),
    ([(0, 0, [])], "expected a list of at least one id"),
    ([(0, 0, [1]), (32, 0, [64])], "token ids from 64 to 64, expected 0 to 63"),
    ([(16, 0, [1])], "start=16, position=0, expected a multiple of 32, and 0 or more"),
    ([(-32, 0, [1])], "start=-32, position=0, expected a multiple of 32, and 0 or more"),
    ([(0, -1, [1])], "start=0, position=-1, expected a multiple of 32, and 0 or more"),
    ([(32, 31, [1, 2])], "rows up to 65 in a cache of 64"),
    ([(0, 40, [1])], "positions up to 41 in a context of 40"),
])
def test_parts_that_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        FastModel(random_checkpoint(PLAIN), 40, rows=64).forward_parts(parts)


def test_fewer_rows_than_a_context():
    model = FastModel(random_checkpoint(PLAIN), 40, rows=32)
    with pytest.raises(ValueError, match="rows up to 33 in a cache of 32"):
        model.forward([1] * 33, 0)
    with pytest.raises(ValueError, match="rows=0, expected at least 1"):
        FastModel(random_checkpoint(PLAIN), 40, rows=0)
