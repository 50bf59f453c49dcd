"""Compiled programs take contexts of different sequences in one pass, and each gets what it would get alone."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, QKNorm
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.compile import CompileError, compile_model
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.isa import Context
from dojang_sim.golden import emulated_node
from dojang_sim.golden.model import GoldenModel

from .machine import ODD, Machine

MANY = ChipConfig("many", width=1, height=1, lanes=1, contexts=32, acc_rows=64, sram_words=4096, channel_mib=16)

MODELS = {
    "plain": ModelShape(1, 32, 2, 1, 32, 32, 33, 256),
    "windows": ModelShape(2, 32, 4, 2, 32, 32, 33, 256, kinds=(LayerKind(window=40), LayerKind()), pattern=(0, 1)),
    "positions": ModelShape(1, 32, 2, 2, 32, 32, 33, 256, kinds=(LayerKind(None),), learned_positions=True),
    "normalised keys": ModelShape(1, 64, 4, 4, 32, 32, 33, 256, qk_norm=QKNorm.VECTOR),
}


class Sequence:
    """A golden model that knows nothing of others, and where the sequence lies in the chip's cache."""

    def __init__(self, checkpoint, context, start, at=0, seed=0):
        self.golden, self.start, self.at = GoldenModel(checkpoint, context), start, 0
        self._random = np.random.default_rng(seed)
        self._before = self._random.integers(0, checkpoint.shape.vocab, at).tolist()

    def warm(self, machine):
        """Its first positions, in passes of its own."""
        for first in range(0, len(self._before), machine.image.contexts):
            self.step(machine, self._before[first:first + machine.image.contexts])

    def contexts(self, tokens):
        return [Context(token, self.at + index, self.start, True, index == len(tokens) - 1)
                for index, token in enumerate(tokens)]

    def step(self, machine, tokens):
        check(machine, [(self, tokens)])


def check(machine, parts):
    """One pass of some tokens of each sequence."""
    contexts = [context for sequence, tokens in parts for context in sequence.contexts(tokens)]
    result = machine.run_pass(contexts)
    first = 0
    for sequence, tokens in parts:
        expected = sequence.golden.forward(tokens, sequence.at)
        for index, row in enumerate(expected):
            found = machine.image.read_logits(machine.memories, first + index)
            assert np.array_equal(found.view(np.uint32), row.view(np.uint32)), (sequence.start, sequence.at + index)
        first += len(tokens)
        machine.check_candidates(result, first - 1, expected[-1])
        sequence.at += len(tokens)
    assert all(sorted(lists) == [c for c, context in enumerate(contexts) if context.choice]
               for lists in result.candidates)


@pytest.mark.parametrize("name, config", [
    ("plain", preset("sim-2x2")), ("plain", MANY), ("windows", preset("sim-2x2")), ("windows", MANY),
    ("positions", MANY), ("normalised keys", ODD), ("normalised keys", MANY)],
    ids=lambda value: value if isinstance(value, str) else value.name)
def test_sequences_share_passes(name, config):
    """At positions of their own, some decoded while one is prefilled; what freed rows hold does not matter."""
    checkpoint, context = random_checkpoint(MODELS[name], seed=5), 100
    machine = Machine(checkpoint, config, context, rows=512)
    poison(machine, finite=any(kind.window for kind in checkpoint.shape.kinds))
    sequences = [Sequence(checkpoint, context, start, at, start) for start, at in ((384, 0), (0, 70), (128, 31))]
    for sequence in sequences:
        sequence.warm(machine)
    first, second, third = sequences
    room = machine.image.contexts
    if room == 2:
        check(machine, [(first, [3]), (second, [4])])
        check(machine, [(third, [7]), (first, [2])])
        return
    check(machine, [(first, [3]), (second, [4]), (third, [7])])
    check(machine, [(third, [9]), (first, [1, 2]), (second, [5])])
    check(machine, [(second, [1])])
    if room == 32:
        check(machine, [(third, [9]), (second, [5]), (first, list(range(27)))])


def poison(machine, finite):
    """The whole cache as nothing ever leaves it: largest scales, or NaN, which a program without windows never reads.
    """
    scales = {"key_scales": 0x7BFF7BFF, "value_scales": 0x7F7FFFFF}
    for region in machine.image.regions:
        if region.name.startswith("cache"):
            words = machine.memories[region.channel][16 * region.start:16 * (region.start + region.words)].view("<u4")
            kind = region.name.rpartition(".")[2]
            words[:] = 0xA5A5A5A5 if kind not in scales else scales[kind] if finite else 0xFFFFFFFF


@pytest.mark.parametrize("count", [5, 11, 32])
def test_a_pass_of_a_number_between_repeats_its_last_context(count):
    checkpoint = random_checkpoint(MODELS["plain"], seed=5)
    machine = Machine(checkpoint, MANY, 64, rows=32 * 64)
    sequences = [Sequence(checkpoint, 64, 64 * number, seed=number) for number in range(count)]
    for token in (3, 4):
        check(machine, [(sequence, [(token + number) % 33]) for number, sequence in enumerate(sequences)])


def test_a_window_that_begins_before_the_sequence_is_noticed(monkeypatch):
    """Mutation: without the clamp at its first row the tiles of whoever lies before it are read."""
    checkpoint = random_checkpoint(MODELS["windows"], seed=5)
    monkeypatch.setattr(emulated_node.Node, "_address", lambda node, f: f["addr"] + (
        max(node._register("m_reg", f) + f["m_bias"], 0) >> f["m_shift"]) * f["m_mul"])
    machine = Machine(checkpoint, preset("sim-2x2"), 100, rows=512)
    check(machine, [(Sequence(checkpoint, 100, 0), [3])])
    with pytest.raises(AssertionError):
        check(machine, [(Sequence(checkpoint, 100, 128), [3])])


def test_candidates_and_logits_are_only_made_where_they_are_asked_for():
    checkpoint = random_checkpoint(MODELS["plain"], seed=5)
    machine = Machine(checkpoint, preset("sim-2x2"), 64, rows=128)
    asked = [Context(1, 0, 0, False, True), Context(1, 0, 64, True, False), Context(2, 1, 64, False, False)]
    result = machine.run_pass(asked)
    expected = GoldenModel(checkpoint, 64).forward([1], 0)[0]
    assert all(list(lists) == [0] for lists in result.candidates)
    machine.check_candidates(result, 0, expected)
    assert [bool(machine.image.read_logits(machine.memories, c).any()) for c in range(3)] == [False, True, False]
    assert np.array_equal(machine.image.read_logits(machine.memories, 1), expected)


@pytest.mark.parametrize("rows", [0, 40, 1 << 20])
def test_rows_that_a_cache_cannot_have_are_named(rows):
    with pytest.raises(CompileError, match=rf"^a K/V cache of {rows:,} rows was asked for, expected a multiple of 32"):
        compile_model(random_checkpoint(MODELS["plain"]), replace(MANY, channel_mib=65536), 64, rows=rows)
