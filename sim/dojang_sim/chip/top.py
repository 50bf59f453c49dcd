"""The chip with ideal memories, as it is simulated."""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from dojang_hdl.blackbox import BlackBox
from dojang_hdl.chip import Chip
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node

from ..memory import IdealMemory

__all__ = ["NODE_MODULE", "ChipTop"]

NODE_MODULE = "dojang_node"


class ChipTop(wiring.Component):
    """`Chip` whose memory ports end in memory-mapped image files; nodes are black boxes named `NODE_MODULE`."""

    rx: In(stream.Signature(8))
    tx: Out(stream.Signature(8))
    running: Out(1)

    def __init__(self, config: ChipConfig, latency: int):
        self.config, self.latency = config, latency
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.chip = chip = Chip(config, lambda config: BlackBox(Node(config), NODE_MODULE))
        wiring.connect(m, wiring.flipped(self.rx), chip.rx)
        wiring.connect(m, chip.tx, wiring.flipped(self.tx))
        m.d.comb += self.running.eq(chip.running)
        for channel, port in enumerate(chip.memory):
            memory = IdealMemory(channel, config.channel_words, latency=self.latency)
            m.submodules[f"memory_{channel}"] = memory
            wiring.connect(m, port, memory.port)
        return m
