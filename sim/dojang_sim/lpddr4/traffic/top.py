"""A memory with its port as plain pins, as the compiled harness drives it."""

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import WORD_BITS, WORD_BYTES

__all__ = ["TrafficTop"]


class TrafficTop(wiring.Component):
    """``memory``, any component with ``port: In(MemoryPort())``, behind flat ports.

    If the memory has an output ``counters`` (a struct of fields of at most 64 bits that only grow), each of them is the
    port ``counter_<name>`` here; ``counters`` has their names. They count from the reset on. ``busy``: of the memory's
    `MemoryStatus`, if it has one.
    """

    def __init__(self, memory: wiring.Component):
        self._memory = memory
        members = memory.signature.members
        counters = dict(members["counters"].shape) if "counters" in members else {}
        self.counters = tuple(counters)
        # Single underscores: Verilator mangles the double ones of nested members in C++ names.
        super().__init__({
            "command_valid": In(1), "command_ready": Out(1), "command_write": In(1), "command_addr": In(32),
            "command_length": In(9),
            "write_valid": In(1), "write_ready": Out(1), "write_data": In(WORD_BITS), "write_mask": In(WORD_BYTES),
            "read_valid": Out(1), "read_ready": In(1), "read_data": Out(WORD_BITS),
            "busy": Out(1),
            **{f"counter_{name}": Out(field.shape) for name, field in counters.items()},
        })

    def elaborate(self, platform):
        m = Module()
        # A registered reset: Verilator evaluates what depends on an input port at both edges of the clock.
        m.domains.memory = ClockDomain(local=True)
        reset = Signal(reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.d.comb += [ClockSignal("memory").eq(ClockSignal()), ResetSignal("memory").eq(reset)]
        m.submodules.memory = DomainRenamer("memory")(self._memory)
        port = self._memory.port
        m.d.comb += [
            port.command.valid.eq(self.command_valid), self.command_ready.eq(port.command.ready),
            port.command.payload.write.eq(self.command_write), port.command.payload.addr.eq(self.command_addr),
            port.command.payload.length.eq(self.command_length),
            port.write.valid.eq(self.write_valid), self.write_ready.eq(port.write.ready),
            port.write.payload.data.eq(self.write_data), port.write.payload.mask.eq(self.write_mask),
            self.read_valid.eq(port.read.valid), port.read.ready.eq(self.read_ready),
            self.read_data.eq(port.read.payload),
        ]
        for name in self.counters:
            m.d.comb += getattr(self, f"counter_{name}").eq(self._memory.counters[name])
        if hasattr(self._memory, "status"):
            m.d.comb += [self._memory.status.enable.eq(1), self.busy.eq(self._memory.status.busy)]
        return m
