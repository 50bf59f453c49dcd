"""Sessions on the simulated chip in which every position is compared with the golden model."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import ModelShape, ScaleSet, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.sampling import best_candidates
from dojang.sessions import device as device_session
from dojang.sessions import open_session
from dojang_hdl.config import ChipConfig, preset
from dojang_sim.chip.memories import IDEAL, MEMORIES, Ideal, Memories

PASS_LIMIT_S = 900
"""Watchdog: a pass that takes longer hangs."""

ODD = ChipConfig("odd", width=3, height=2, lanes=2, contexts=2, acc_rows=64, sram_words=2048, plane_fifo=128,
                 scale_fifo=128, program_fifo=64, chunk=32, channel_mib=16, coded=True)
"""No power of two of nodes, the smallest buffers, several row blocks in every matrix, several blocks of scores."""

CHIPS = {"odd": ODD, "small": replace(ODD, name="small", width=1, height=1, lanes=1, contexts=1)}

SLOW = {"sim-2x2": MEMORIES["lpddr4"], "odd": Ideal(latency=100, pauses=5)}
"""Slow and unsteady memories where the buffers are small; ideal ones where nothing is said."""


class Conversation:
    """One session; each call fails unless all logits, and the reported candidates, are the golden model's.

    Leaving it fails unless the chip's flag was up if the golden model has clipped anything.
    """

    def __init__(self, checkpoint, config, context: int, memory: str, sets: Sequence[ScaleSet]):
        self.vocab, self.top_k = checkpoint.shape.vocab, config.top_k
        self.session = open_session(checkpoint, config, "rtl", compare_golden=True, context=context,
                                    memory=memory, sets=sets)
        self.guarded = MEMORIES[memory].guarded
        self.position = 0

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        saturated = self.session.summary()["saturated"]
        self.session.close()
        if failure[0] is None:
            flagged = [name for name in saturated if name.startswith("position")]
            assert len(flagged) == (len(saturated) > 0) and (not flagged or len(saturated) > 1), saturated

    def prefill(self, tokens: Sequence[int]) -> None:
        for step in self.session.prefill(tokens):
            self._check(step)

    def decode(self, token: int) -> int:
        """The next token, chosen greedily among the chip's candidates."""
        step = self.session.decode(token)
        self._check(step)
        ids, values = best_candidates(step.logits, self.top_k)
        np.testing.assert_array_equal(step.candidates[0], ids)
        np.testing.assert_array_equal(step.candidates[1], values)
        return int(step.candidates[0][0])

    def run(self, passes: Sequence[int], rng: np.random.Generator) -> None:
        """Passes of so many random tokens: one is decoded, several are prefilled."""
        for count in passes:
            tokens = rng.integers(0, self.vocab, count).tolist()
            if count == 1:
                self.decode(tokens[0])
            else:
                self.prefill(tokens)

    def summary(self) -> dict:
        """The session's, with counters that show which memory there was and that nothing was wrong in it."""
        summary = self.session.summary()
        for commands, events in zip(summary["memory_commands"], summary["memory_guard"], strict=True):
            assert bool(commands["reads"]) == self.guarded and bool(events["patrolled"]) == self.guarded
            assert events["errors"] == events["corrected"] == events["tiles_reread"] == events["clusters_reread"] == 0
        return summary

    def _check(self, step) -> None:
        assert step.logits.shape == (self.vocab,) and np.isfinite(step.logits).all()
        assert step.golden_match, f"logits of position {self.position} differ from the golden model's"
        self.position += 1


@pytest.fixture
def converse(monkeypatch):
    """``converse(checkpoint, config, context, memories, sets)`` opens a `Conversation` under a watchdog."""
    monkeypatch.setattr(device_session, "RUN_TIMEOUT_S", PASS_LIMIT_S)

    def open_conversation(checkpoint, config, context, memories: Memories = MEMORIES["lpddr4"],
                          sets: Sequence[ScaleSet] = ()):
        monkeypatch.setitem(MEMORIES, "tested", memories)
        return Conversation(checkpoint, config, context, "tested", sets)
    return open_conversation


@pytest.fixture
def random_model(tmp_path):
    """``random_model(shape, types, seed)``: a checkpoint in a GGUF file; the matrices take turns of tensor types."""
    def make(shape: ModelShape, types: Sequence[str], seed: int = 0):
        return load(write_synthetic(tmp_path / f"random-{seed}.gguf", shape, types, seed=seed))
    return make


@pytest.fixture
def chip_of():
    """``chip_of(name)``: a preset, or one of the chips here. Tests that share a chip and its memory share its model."""
    return lambda name: CHIPS.get(name) or preset(name)


@pytest.fixture
def memory_of():
    """``memory_of(name)``: what the chip of that name reads from."""
    return lambda name: SLOW.get(name, IDEAL)
