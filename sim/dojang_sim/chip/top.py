"""The chip with its memories, as it is simulated."""

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.blackbox import BlackBox
from dojang_hdl.chip import Chip
from dojang_hdl.config import WORD_BYTES, ChipConfig, ConfigError
from dojang_hdl.node.node import NodePorts

from .memories import Memories
from .node_model import NodeModel

__all__ = ["NODE_MODULE", "ChipTop"]

NODE_MODULE = "dojang_node"


class ChipTop(wiring.Component):
    """`Chip` whose memories keep their data in mapped image files.

    ConfigError if its channels are not a multiple of the memory's ports, or larger than these.

    Parameters
    ----------
    apart: nodes are `NodeModel`; else black boxes named `NODE_MODULE`.
    """

    # Single underscores: Verilator mangles the double ones of nested members in C++ names.
    rx_valid: In(1)
    rx_ready: Out(1)
    rx_payload: In(8)
    tx_valid: Out(1)
    tx_ready: In(1)
    tx_payload: Out(8)
    running: Out(1)
    answering: Out(1)

    def __init__(self, config: ChipConfig, memories: Memories, apart: bool = False):
        if config.channels % memories.ports:
            raise ConfigError(f"chip {config.name} has {config.channels} memory channels, expected a multiple of "
                              f"{memories.ports}: so many share one memory")
        if memories.port_words is not None and config.channel_words > memories.port_words:
            raise ConfigError(f"chip {config.name} has channels of {config.channel_mib} MiB, expected at most "
                              f"{memories.port_words * WORD_BYTES >> 20}: the memory's ports have no more")
        self.config, self.memories, self._apart = config, memories, apart
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        config = self.config
        # A registered reset: Verilator evaluates what depends on an input port at both edges of the clock.
        m.domains.chip = ClockDomain(local=True)
        m.d.comb += ClockSignal("chip").eq(ClockSignal())
        m.d.sync += ResetSignal("chip").eq(ResetSignal())
        chip = Chip(config, lambda _: NodeModel() if self._apart else BlackBox(NodePorts(), NODE_MODULE))
        in_chip = DomainRenamer("chip")
        m.submodules.chip = in_chip(chip)
        m.d.comb += [
            chip.rx.valid.eq(self.rx_valid), self.rx_ready.eq(chip.rx.ready), chip.rx.payload.eq(self.rx_payload),
            self.tx_valid.eq(chip.tx.valid), chip.tx.ready.eq(self.tx_ready), self.tx_payload.eq(chip.tx.payload),
            self.running.eq(chip.running), self.answering.eq(chip.answering),
        ]
        for channel in range(0, config.channels, self.memories.ports):
            memory = self.memories.channel(channel, config)
            m.submodules[f"memory_{channel}"] = in_chip(memory)
            for number in range(self.memories.ports):
                self._connect(m, chip, channel, number, memory)
        return m

    def _connect(self, m, chip, channel, number, memory):
        """A port of a memory to the chip's channel of its own."""
        def of_port(member):
            return member if self.memories.ports == 1 else member[number]

        wiring.connect(m, chip.memory[channel + number], of_port(memory.port))
        if hasattr(memory, "status"):
            wiring.connect(m, chip.status[channel + number], of_port(memory.status))
