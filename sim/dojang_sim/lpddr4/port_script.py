"""A controller that is told what to do: drives a `PhyPort` as a real chip would, for benches at the pins."""

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import C, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import Out
from dojang_hdl.config import WORD_BITS
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.phy import PhyPort
from dojang_hdl.lpddr4.refresh import Temperature
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config
from dojang_hdl.memory import MemoryCommand, MemoryWrite

__all__ = ["PortCommand", "PortScript"]

MRR = C(0b01110, 5)
"""CA0 to CA4 of the first edge of MRR."""


class PortCommand(NamedTuple):
    """A command of the memory port: a write of ``words`` with byte ``masks``, or without them a read that must give
    ``words``.
    """

    addr: int
    words: Sequence[int]
    masks: Sequence[int] | None = None


class PortScript(wiring.Component):
    """`Controller` that executes ``commands`` as fast as it takes them and compares what it reads.

    MRR does not reach the pins, as not every model has mode registers: it is answered here, with tREFI.

    Members
    -------
    phy: `PhyPort`.
    done: every word has been written to the controller or read back, and every read word was right.
    """

    def __init__(self, config: Lpddr4Config, commands: Sequence[PortCommand]):
        self.config, self._commands = config, commands
        super().__init__({"phy": Out(PhyPort(config.ratio)), "done": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = Controller(self.config)
        self._answer_registers(m, controller.phy)
        port = controller.port
        commands = [{"write": command.masks is not None, "addr": command.addr, "length": len(command.words)}
                    for command in self._commands]
        writes = [{"data": word, "mask": mask} for command in self._commands if command.masks is not None
                  for word, mask in zip(command.words, command.masks, strict=True)]
        reads = [word for command in self._commands if command.masks is None for word in command.words]
        wrong = Signal()
        offers = [self._offer(m, "command", MemoryCommand, commands, port.command),
                  self._offer(m, "write", MemoryWrite, writes, port.write)]
        expected, all_read = self._sequence(m, "read", data.ArrayLayout(WORD_BITS, 1), [[word] for word in reads],
                                            port.read.valid)
        with m.If(port.read.valid & (all_read | (expected[0] != port.read.payload))):
            m.d.sync += wrong.eq(1)
        m.d.comb += [port.read.ready.eq(1), self.done.eq(offers[0] & offers[1] & all_read & ~wrong)]
        return m

    def _answer_registers(self, m, phy):
        """Connects ``phy`` of the controller; when it reads a register, no other read is on its way."""
        outside, asked = self.phy, Signal()
        left = Signal(range(BURST // self.config.ratio + 1))       # cycles of the answer
        m.d.comb += [getattr(outside, name).eq(getattr(phy, name)) for name in (
            "ca", "cke", "reset_n", "write", "mask", "write_valid", "calibrate")]
        m.d.comb += [
            asked.eq(phy.read_start & (phy.ca[0][:len(MRR)] == MRR)),
            outside.cs.eq(Mux(asked, 0, phy.cs)), outside.read_start.eq(phy.read_start & ~asked),
            phy.calibrated.eq(outside.calibrated), phy.read_valid.eq(outside.read_valid | (left != 0)),
            phy.read.eq(Mux(left != 0, Temperature.TIMES_1.value, outside.read.as_value())),
        ]
        with m.If(asked):
            m.d.sync += left.eq(BURST // self.config.ratio)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)

    def _offer(self, m, name, shape, items, stream):
        """Send ``items`` on ``stream``; returns the signal that all are gone."""
        item, over = self._sequence(m, name, shape, items, stream.valid & stream.ready)
        m.d.comb += [stream.valid.eq(~over), stream.payload.eq(item)]
        return over

    def _sequence(self, m, name, shape, items, advance):
        """The present one of ``items`` and whether they are over."""
        m.submodules[name] = table = memory.Memory(shape=shape, depth=len(items) + 1, init=items)
        at = Signal(range(len(items) + 1), name=f"{name}_at")
        port = table.read_port(domain="comb")
        m.d.comb += port.addr.eq(at)
        over = at == len(items)
        with m.If(advance & ~over):
            m.d.sync += at.eq(at + 1)
        return port.data, over
