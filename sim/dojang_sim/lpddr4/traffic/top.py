"""A memory with its ports as plain pins, as the compiled harness drives it."""

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import WORD_BITS, WORD_BYTES

__all__ = ["TrafficTop"]


class TrafficTop(wiring.Component):
    """``memory``, any component with ``port: In(MemoryPort())`` or an array of them, behind flat ports whose names end
    with the number of the memory's port; ``ports`` of them.

    If the memory has an output ``events`` (a struct of bits), the cycles in which each of them is 1, from the reset on,
    are the port ``counter_<name>`` here; ``counters`` has their names. ``busy``: of each port's `MemoryStatus`, if it
    has one.
    """

    def __init__(self, memory: wiring.Component):
        self._memory = memory
        members = memory.signature.members
        self.counters = tuple(name for name, _ in members["events"].shape) if "events" in members else ()
        several = members["port"].dimensions
        self.ports = several[0] if several else 1
        pins = {
            "command_valid": In(1), "command_ready": Out(1), "command_write": In(1), "command_addr": In(32),
            "command_length": In(9),
            "write_valid": In(1), "write_ready": Out(1), "write_data": In(WORD_BITS), "write_mask": In(WORD_BYTES),
            "read_valid": Out(1), "read_ready": In(1), "read_data": Out(WORD_BITS),
            "busy": Out(1),
        }
        # Single underscores: Verilator mangles the double ones of nested members in C++ names.
        super().__init__({
            **{f"{name}_{port}": member for port in range(self.ports) for name, member in pins.items()},
            **{f"counter_{name}": Out(32) for name in self.counters},
        })

    def elaborate(self, platform):
        m = Module()
        # A registered reset: Verilator evaluates what depends on an input port at both edges of the clock.
        m.domains.memory = ClockDomain(local=True)
        reset = Signal(reset_less=True)
        m.d.sync += reset.eq(ResetSignal())
        m.d.comb += [ClockSignal("memory").eq(ClockSignal()), ResetSignal("memory").eq(reset)]
        m.submodules.memory = DomainRenamer("memory")(self._memory)
        for number in range(self.ports):
            self._connect(m, number)
        for name in self.counters:
            counter = getattr(self, f"counter_{name}")
            m.d.memory += counter.eq(counter + self._memory.events[name])
        return m

    def _connect(self, m, number):
        def of_port(member):
            return member if self.ports == 1 else member[number]

        def pin(name):
            return getattr(self, f"{name}_{number}")

        port = of_port(self._memory.port)
        m.d.comb += [
            port.command.valid.eq(pin("command_valid")), pin("command_ready").eq(port.command.ready),
            port.command.payload.write.eq(pin("command_write")), port.command.payload.addr.eq(pin("command_addr")),
            port.command.payload.length.eq(pin("command_length")),
            port.write.valid.eq(pin("write_valid")), pin("write_ready").eq(port.write.ready),
            port.write.payload.data.eq(pin("write_data")), port.write.payload.mask.eq(pin("write_mask")),
            pin("read_valid").eq(port.read.valid), port.read.ready.eq(pin("read_ready")),
            pin("read_data").eq(port.read.payload),
        ]
        if hasattr(self._memory, "status"):
            status = of_port(self._memory.status)
            m.d.comb += [status.enable.eq(1), pin("busy").eq(status.busy)]
