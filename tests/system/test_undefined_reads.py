"""Block RAM gives anything for a word that is read while it is written: nothing may depend on what it gives."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import memory
from dojang.checkpoints import ModelShape
from dojang_hdl.block_memory import BlockMemory
from dojang_hdl.config import ChipConfig
from dojang_sim.chip.memories import Ideal

CHIP = ChipConfig("undefined-reads", width=2, height=1, lanes=1, contexts=1, acc_rows=64, sram_words=1024,
                  plane_fifo=128, scale_fifo=128, program_fifo=64, chunk=32, channel_mib=16)
"""Its name tells the cache of chips that its memories are others."""


def inverted_on_collision(self, platform):
    """`BlockMemory.elaborate`, where a word that is read while it is written comes inverted."""
    m = Module()
    m.submodules.memory = words = memory.Memory(shape=self._width, depth=self._depth, init=[])
    write = words.write_port(granularity=self._granule)
    m.d.comb += [write.en.eq(self.write.en), write.addr.eq(self.write.addr), write.data.eq(self.write.data)]
    for port in self.read:
        read = words.read_port(domain="comb")
        held, collided = Signal.like(port.data), Signal()
        m.d.comb += [read.addr.eq(port.addr), port.data.eq(held ^ collided.replicate(self._width))]
        with m.If(port.en):
            m.d.sync += [held.eq(read.data), collided.eq(self.write.en.any() & (self.write.addr == port.addr))]
    return m


@pytest.mark.slow
def test_nothing_needs_a_word_that_is_being_written(monkeypatch, converse, random_model):
    monkeypatch.setattr(BlockMemory, "elaborate", inverted_on_collision)
    checkpoint = random_model(ModelShape(2, 96, 4, 2, 32, 160, 131, 64, tied=True), ["Q8_0"], seed=3)
    rng = np.random.default_rng(3)
    with converse(checkpoint, CHIP, 70, memories=Ideal(latency=30, pauses=7)) as conversation:
        for token in rng.integers(0, 131, 60).tolist():
            conversation.decode(token)
