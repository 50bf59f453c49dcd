"""An emulated chip beside the golden model, for tests of compiled programs."""

from dataclasses import replace
from functools import reduce
from operator import or_

import numpy as np
from dojang.compile import compile_model
from dojang_hdl.config import ChipConfig, preset
from dojang_hdl.isa import Flag
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
    """An emulated chip with a model, and the golden model beside it."""

    def __init__(self, checkpoint, config, context, seed=0, sets=()):
        self.image = compile_model(checkpoint, config, context, sets)
        self.memories = [np.zeros(config.channel_words * 16, np.uint8) for _ in range(config.channels)]
        self.image.fill(self.memories)
        self.emulator = Emulator(config, self.memories, seed)
        self.golden = GoldenModel(checkpoint, context)
        self.position, self.set = 0, 0

    def run(self, tokens, **options):
        run = self.image.programs[len(tokens)]
        result = self.emulator.run(run.base, run.slot_log2, run.words, self.position, len(tokens), tokens,
                                   set=self.set, **options)
        self.position += len(tokens)
        return result

    def logits(self, contexts):
        return np.stack([self.image.read_logits(self.memories, c) for c in range(contexts)])

    def check(self, tokens):
        """Run a pass and compare all logits, the candidates and the flags."""
        clipped = sum(self.golden.saturated.values())
        expected = self.golden.forward(tokens, self.position)
        result = self.run(tokens)
        assert np.array_equal(self.logits(len(tokens)).view(np.uint32), expected.view(np.uint32))
        best = sorted((c for node in result.candidates for c in node), key=lambda c: (-c[0], c[1]))
        order = np.lexsort((np.arange(len(expected[-1])), -expected[-1]))
        assert [token for _, token in best[:16]] == order[:16].tolist()
        flags = reduce(or_, result.errors)
        assert flags == (Flag.SATURATED if sum(self.golden.saturated.values()) > clipped else Flag(0))
        return flags
