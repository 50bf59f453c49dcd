"""An emulated chip beside the golden model, for tests of compiled programs."""

from dataclasses import replace
from functools import reduce
from operator import or_

import numpy as np
from dojang.compile import compile_model
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.isa import Context, Flag
from dojang_sim.golden.emulator import Emulator
from dojang_sim.golden.model import GoldenModel

ODD = ChipConfig("odd", width=3, height=2, lanes=2, contexts=2, acc_rows=64, sram_words=2048, plane_fifo=512,
                 scale_fifo=512, channel_mib=16)
"""More nodes than heads, few accumulators (several row blocks, several scores blocks), few contexts."""


ROW = replace(ODD, name="row", height=1)
"""One channel: the embedding is read out of the head's planes where they are the same."""


def chip(name: str) -> ChipConfig:
    return {"odd": ODD, "row": ROW}.get(name) or preset(name)


class Machine:
    """An emulated chip with a model, and the golden model beside it.

    Parameters
    ----------
    start: first row of the sequence in the cache.
    """

    def __init__(self, checkpoint, config, context, seed=0, sets=(), rows=None, start=0):
        self.image = compile_model(checkpoint, config, context, sets, rows)
        self.memories = [np.zeros(config.channel_words * 16, np.uint8) for _ in range(config.channels)]
        self.image.fill(self.memories)
        self.emulator = Emulator(config, self.memories, seed)
        self.golden = GoldenModel(checkpoint, context)
        self.position, self.start, self.set = 0, start, 0

    def run(self, tokens, trace=False, logits=True):
        contexts = [Context(token, self.position + index, self.start, logits, index == len(tokens) - 1)
                    for index, token in enumerate(tokens)]
        self.position += len(tokens)
        return self.run_pass(contexts, trace)

    def run_pass(self, contexts, trace=False):
        run = self.image.program(len(contexts))
        told = [*contexts, *[contexts[-1]._replace(logits=False, choice=False)] * (run.contexts - len(contexts))]
        return self.emulator.run(run.base, run.slot_log2, run.words, told, self.set, trace)

    def logits(self, contexts):
        return np.stack([self.image.read_logits(self.memories, c) for c in range(contexts)])

    def check(self, tokens):
        """Run a pass and compare all logits, the candidates and the flags."""
        clipped = sum(self.golden.saturated.values())
        expected = self.golden.forward(tokens, self.position)
        result = self.run(tokens)
        assert np.array_equal(self.logits(len(tokens)).view(np.uint32), expected.view(np.uint32))
        assert all(set(lists) == {len(tokens) - 1} for lists in result.candidates)
        self.check_candidates(result, len(tokens) - 1, expected[-1])
        flags = reduce(or_, result.errors)
        assert flags == (Flag.SATURATED if sum(self.golden.saturated.values()) > clipped else Flag(0))
        return flags

    @staticmethod
    def check_candidates(result, context, expected):
        """Those that the nodes reported of a context, against its logits."""
        best = sorted((c for lists in result.candidates for c in lists[context]), key=lambda c: (-c[0], c[1]))
        order = np.lexsort((np.arange(len(expected)), -expected))
        assert [token for _, token in best[:16]] == order[:16].tolist()
